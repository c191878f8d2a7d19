"""A registry whose garbage is collected."""

import pytest

from .scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
