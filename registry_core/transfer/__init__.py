"""Copies of manifests, with everything they need, between registries, layouts and archives."""
