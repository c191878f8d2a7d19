"""Registries made of a registry: each delegates everything and overrides one thing."""
