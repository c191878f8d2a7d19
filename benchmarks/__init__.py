"""Measurements of registries: `python -m benchmarks`. README.md has the other programs."""
