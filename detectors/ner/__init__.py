"""Names of people, places and organizations in free text.

- `detectors.ner.language`: how the shipped model reads text, and how it tells what it found. Needs spaCy.
- `detectors.ner.model`: loading a model, ours or any other spaCy pipeline, and asking it.
- `detectors.ner.segments`: a long text as short ones, each read by itself.
- `detectors.ner.gate`: which of them could hold a name at all.
- `detectors.ner.detector`: all of it together, with a cache and a budget.
"""
