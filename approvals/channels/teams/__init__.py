"""Microsoft Teams: adaptive cards, and what people do to them."""
