"""What is found, what is missed, what is harmed: redactors measured on labelled texts.

- `benchmarks.quality.rows`: labelled NDJSON.
- `benchmarks.quality.tools`: ours and peers, as functions from texts to redacted texts.
- `benchmarks.quality.alignment`: what a tool replaced, told from what went in and what came out.
- `benchmarks.quality.labels`: when two labels mean the same.
- `benchmarks.quality.leaks`: whether a value can still be read, in any encoding.
- `benchmarks.quality.scoring`: the figures.
- `benchmarks.quality.show`: the figures as tables.
"""
