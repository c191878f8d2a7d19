"""Markers of the tests of this folder."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark all tests here: CI runs them on every Python."""
    item.add_marker(pytest.mark.portable)
