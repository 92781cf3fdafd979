"""The benchmark tools: realistic load, and measures of speed and quality."""
