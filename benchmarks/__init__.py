"""The benchmark tools: realistic load, and measures of speed and quality, for the people who operate Sluicegate.

- `benchmarks.cli`: the group ``sluicegate bench``. A subcommand is a module of `benchmarks.commands` that holds a
  click command of its own name, and a line in `benchmarks.cli.COMMANDS`; it is loaded when it is used.
- `benchmarks.corpora`: what is measured on: NDJSON files, or records made by seed (`benchmarks.activity`).
- `benchmarks.measurement`: how time is taken: repetitions that take turns, a warm-up, medians, spread.
- `benchmarks.tables`: results as a table for people and as JSON for everything else; ratios.
- `benchmarks.peers`: other tools, as programs that are measured beside ours.
- `benchmarks.quality`: what is found, missed and harmed, on labelled texts.
- `benchmarks.page`, `benchmarks.charts`, `benchmarks.curves`: a self-contained HTML page, and what is drawn on it.
- `benchmarks.report`: the page about everything that was measured.
- `benchmarks.machine`: where it was measured, and with which versions.

Further modules hold what is timed, a subject each; commands only put the parts together.
"""
