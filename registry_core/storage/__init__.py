"""The registry over an object store."""
