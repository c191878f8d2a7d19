"""A registry over HTTP: the interface of `registry`, spoken to any OCI registry."""
