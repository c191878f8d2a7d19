"""Suites that every implementation of a seam passes."""
