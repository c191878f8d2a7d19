"""Each error code of storage that stays until somebody acts, as a client and the log see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.spec.media_types import OCI_MANIFEST
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_image
from tests.support.in_process import client_of
from tests.support.scripted_storage import Instead, Received, ScriptedStorage
from tests.support.store_calls import opened_over
from tests.support.wire import assert_error

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("skipped_time")]

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough")
MANIFEST = "/v2/a/manifests/v1"

REFUSED = {
    "BlobArchived": 409,
    "BlobBeingRehydrated": 409,
    "BlobImmutableDueToPolicy": 409,
    "BlobImmutableDueToLegalHold": 409,
    "LeaseIdMissing": 412,
    "SnapshotsPresent": 409,
    "BlockCountExceedsLimit": 409,
    "InvalidBlobOrBlock": 400,
    "FeatureVersionMismatch": 409,
    "BlobOperationNotSupported": 409,
    "SomethingNew": 409,
}
UNAVAILABLE = {
    "PendingCopyOperation": 409,
    "ContainerBeingDeleted": 409,
    "ContainerDisabled": 409,
    "ContainerNotFound": 404,
    "AuthorizationFailure": 403,
    "AccountIsDisabled": 403,
    "KeyVaultEncryptionKeyNotFound": 403,
    "KeyBasedAuthenticationNotPermitted": 403,
    "AuthenticationFailed": 403,
    "AccountRequiresHttps": 400,
}
CODES = REFUSED | UNAVAILABLE


def is_read(request: Received) -> bool:
    return request.method == "GET" and request.path.endswith("/data")


def is_write_of_tag(request: Received) -> bool:
    return request.method == "PUT" and request.path.endswith("/v1/current/link")


@pytest.mark.parametrize("chosen", [is_read, is_write_of_tag])
@pytest.mark.parametrize("code", CODES)
async def test_it_is_answered_at_once_and_the_log_has_the_code_and_what_to_do(
    scripted: ScriptedStorage,
    caplog: pytest.LogCaptureFixture,
    code: str,
    chosen: Callable[[Received], bool],
) -> None:
    """A refusal is 403, without `Retry-After`; 503 is for what succeeds when somebody has acted."""
    await push_image(StoredRegistry(scripted.store), "a", "v1", [b"layer"])
    refused: list[Received] = []

    def choose(request: Received) -> Instead | None:
        if not chosen(request):
            return None
        refused.append(request)
        return Instead(CODES[code], code)

    scripted.choose = choose
    async with opened_over(scripted) as store:
        application = build_application(SETTINGS, build_registry(SETTINGS, store))
        async with client_of(application) as client:
            if chosen is is_read:
                answer = await client.get(MANIFEST)
            else:
                answer = await client.put(
                    MANIFEST,
                    content=image_manifest(b"layer", annotations={"another": "manifest"}),
                    headers={"Content-Type": OCI_MANIFEST},
                )
    assert len(refused) == 1
    status, error = (403, "DENIED") if code in REFUSED else (503, "UNAVAILABLE")
    assert_error(answer, status, error)
    assert ("Retry-After" in answer.headers) is (status == 503)
    assert code not in answer.text
    [line] = [line for line in caplog.text.splitlines() if f" {code} (request made-up)" in line]
    _, _, advice = line.partition("(request made-up): ")
    assert len(advice) > 10
