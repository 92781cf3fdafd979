"""Where people are: requests in Slack, in Teams and at webhooks, and decisions from there."""
