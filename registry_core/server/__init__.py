"""The registry over HTTP: a handler for each endpoint, errors rendered in one place."""
