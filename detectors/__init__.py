"""Text in, findings out: rules as data, compiled into a detector. No I/O beyond rule files, no policy."""
