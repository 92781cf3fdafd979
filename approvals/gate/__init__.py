"""The gate that agents wait at: they ask before something runs, and the executor redeems what was approved, once."""
