"""The model for names in free text; `make model` runs `models.ner.make`."""
