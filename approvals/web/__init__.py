"""The page and the API of the reviewer service."""
