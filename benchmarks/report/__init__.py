"""The report: one HTML page about everything, made from the JSON of the other commands.

- `benchmarks.report.parts`: what stands on the page; how it looks is `benchmarks.page`'s.
- `benchmarks.report.compare`: two runs beside each other, as ratios with confidence intervals.
"""
