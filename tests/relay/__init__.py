"""The relay, over a registry that the tests script, and over our own."""
