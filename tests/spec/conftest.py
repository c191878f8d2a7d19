"""Settings of Hypothesis."""

import pytest
from hypothesis import settings

# The machine is shared: how long an example takes says nothing about the code.
settings.register_profile("registry", deadline=None)
settings.load_profile("registry")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark all tests here: CI runs them on every Python."""
    item.add_marker(pytest.mark.portable)
