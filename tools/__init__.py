"""Programs for maintainers: the cost calculator, package sizes, cold starts."""
