"""Slack: messages in Block Kit, and what people do to them."""
