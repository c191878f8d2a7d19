"""An app whose identity lacks a role reports it at its start, not at the first pull."""

from __future__ import annotations

import re
from functools import partial

import httpx
import pytest

from tests.functions.conftest import Start
from tests.support.azurite import create_container
from tests.support.denying_storage import ROLE_MISSING, DenyingStorage, requests_key
from tests.support.eventually import until
from tests.support.host import PROJECT, RunningHost
from tests.support.managed_identity import IdentityEndpoint, storage_settings
from tests.support.secure_azurite import SecureAzurite
from tests.support.wire import assert_error, reference_in


def is_explained(host: RunningHost, message: str, role: str) -> bool:
    """Whether the log names the role under the reference in a message."""
    line = rf"reference={reference_in(message)} GET '[^']+': .*{role}"
    return re.search(line, host.log()) is not None


@pytest.mark.parametrize(
    "role, for_key",
    [("Storage Blob Data Contributor", False), ("Storage Blob Delegator", True)],
)
def test_the_first_answer_is_not_late_and_the_next_one_leads_to_the_role_in_the_log(
    start: Start,
    secure_azurite: SecureAzurite,
    shared_identity: IdentityEndpoint,
    role: str,
    *,
    for_key: bool,
) -> None:
    """Once the role is effective, the same instance serves."""
    with DenyingStorage(secure_azurite) as storage:
        # A Reader may list and read.
        storage.deny = lambda request: (
            ROLE_MISSING
            if (requests_key(request) if for_key else request.method == "PUT")
            else None
        )
        settings = {
            **storage_settings(secure_azurite, create_container(secure_azurite)),
            **shared_identity.environment,
            "REGISTRY_STORAGE_AZURE_SERVICEURL": storage.service_url,
            "REGISTRY_HTTP_SECRET": "a secret of the tests, and of nobody else",
        }
        with start(PROJECT, settings) as host, httpx.Client(base_url=host.url, timeout=60) as http:
            assert http.get("/v2/").status_code == 200
            until(lambda: "not ready to serve" in host.log())
            for path in ("/v2/", "/v2/a/manifests/v1"):
                message = assert_error(http.get(path), 503, "UNAVAILABLE")
                assert role not in message
                until(partial(is_explained, host, message, role))
            assert "Traceback" not in host.log()
            storage.deny = lambda _: None
            # A key that was refused is not requested again by each request.
            until(lambda: http.get("/v2/").status_code == 200)
            assert http.get("/v2/a/manifests/v1").status_code == 404
