"""A local server that speaks the whole API, and stages uploads straight to storage."""
