"""Whatever walks the whole container."""
