"""Tokens: the keys that sign and verify them, what they claim, and the service that issues them."""
