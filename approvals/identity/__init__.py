"""Who somebody is: OpenID Connect, sessions, API tokens, and the roster that comes of them."""
