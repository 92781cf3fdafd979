"""Records in, outcomes out: policy, redaction, routing, and the brokers that records travel on."""
