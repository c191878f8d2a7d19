"""Authentication and authorization: who is calling, and what they may do.

`caller` has the result, a caller with permissions, and the protocol of what authenticates one.
`authenticators` and `builtin` are the modes of `REGISTRY_AUTH`. `sources/` check secrets, `tokens/`
verifies and issues tokens, `rules/` decides what an identity may do. Knows neither HTTP servers nor
storage.
"""
