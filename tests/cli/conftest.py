"""Settings of storage, for commands."""

import pytest

from registry_core.serve.azurite import Azurite

from .commands import CONTAINER


@pytest.fixture
def settings(azurite: Azurite, container_name: str) -> dict[str, str]:
    """Settings of storage alone, without a secret."""
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        CONTAINER: container_name,
    }
