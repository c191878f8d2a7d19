"""Who asks, and what they may do. Knows neither HTTP nor storage."""
