"""No failure shows a key, a signature, a token or a password: not in errors, nor in the log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import StoreError
from tests.support.managed_identity import IdentityEndpoint
from tests.support.scripted_storage import (
    FROM_STORAGE,
    SIGNING_KEY,
    Instead,
    ScriptedStorage,
    scripted_storage,
)
from tests.support.secure_azurite import Trust
from tests.support.store_calls import CALLS, KEY, Call, fill, opened_over, signed_in_over

pytestmark = pytest.mark.anyio

LIMITS = Limits(retries=1, throttled_retries=1, first_delay=0.001)

# Storage's error bodies quote what it was sent: the string to sign, signatures, tokens.
QUOTED = (
    b"<Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request"
    b"</Message><AuthenticationErrorDetail>Signature sig=c2VjcmV0 did not match, Bearer "
    b"eyJ0.secret</AuthenticationErrorDetail></Error>"
)
FAILURES = {
    "denied": Instead(403, "AuthenticationFailed", body=QUOTED),
    "not authenticated": Instead(401, "InvalidAuthenticationInfo", body=QUOTED),
    "no role": Instead(403, "AuthorizationPermissionMismatch", body=QUOTED),
    "source denied": Instead(403, "CannotVerifyCopySource", body=QUOTED),
    "bad request": Instead(400, "InvalidHeaderValue", body=QUOTED),
    "missing": Instead(404, "BlobNotFound"),
    "conflict": Instead(409, "LeaseIdMissing"),
    "condition": Instead(412, "ConditionNotMet"),
    "broken": Instead(500, "InternalError", body=QUOTED),
    "busy": Instead(503, "ServerBusy", body=QUOTED),
    "reset": Instead(),
    "reset afterwards": Instead(after=True),
    "stranger": Instead(200, body=QUOTED),
    "redirect": Instead(302, headers={"Location": "https://elsewhere.test/?sig=c2VjcmV0"}),
    "malformed": Instead(200, headers=FROM_STORAGE, body=QUOTED),
    "malformed header": Instead(200, headers=FROM_STORAGE | {"ETag": "", "Last-Modified": "now"}),
}


@dataclass
class Watch:
    """Collects all that is said."""

    caplog: pytest.LogCaptureFixture
    text: str = ""

    def note(self, error: BaseException) -> None:
        """Note an error and those behind it, as texts, representations and tracebacks."""
        self.text += "".join(traceback.format_exception(error))
        chain: BaseException | None = error
        while chain is not None:
            self.text += f"{chain}\n{chain!r}\n{chain.args!r}\n"
            chain = chain.__cause__ or chain.__context__

    def assert_without(self, *secrets: str) -> None:
        said = self.text + self.caplog.text
        for secret in (*secrets, "sig=", "SharedKey ", "Bearer ", "eyJ"):
            assert secret not in said
            assert quote(secret, safe="") not in said


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture) -> Iterator[Watch]:
    with caplog.at_level(logging.DEBUG):
        yield Watch(caplog)


async def run_all(store: AzureBlobStore, watch: Watch) -> int:
    """Make every call, and return how many have failed."""
    failed = 0
    calls: dict[str, Call] = CALLS | {"signed_url": lambda s: s.signed_url("a", seconds=60)}
    for call in calls.values():
        try:
            await call(store)
        except StoreError as error:
            watch.note(error)
            failed += 1
    return failed


@pytest.mark.parametrize("failure", FAILURES)
async def test_the_account_key_is_never_shown(
    scripted: ScriptedStorage, watch: Watch, failure: str
) -> None:
    scripted.choose = lambda _: FAILURES[failure]
    async with opened_over(scripted, limits=LIMITS) as store:
        watch.text += repr(store) + repr(store._container) + repr(store._container.signer)
        assert await run_all(store, watch) > 3
    signatures = {request.headers["Authorization"].split(":")[1] for request in scripted.received}
    assert len(signatures) > 3
    watch.assert_without(KEY, KEY.rstrip("="), *signatures)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_token_and_a_signing_key_are_never_shown(
    trust: Trust, watch: Watch, failure: str
) -> None:
    with IdentityEndpoint() as identity:
        async with (
            scripted_storage(trust) as storage,
            signed_in_over(storage, trust, identity, limits=LIMITS) as store,
        ):
            await fill(storage.store)
            signature = await store._container.sign("a", 60)
            watch.text += repr(store) + repr(signature) + repr(signature.key)
            storage.choose = lambda _: FAILURES[failure]
            assert await run_all(store, watch) > 3
    assert identity.tokens
    watch.assert_without(SIGNING_KEY, identity.header, *identity.tokens)


@pytest.mark.parametrize("body", [b"not a key", QUOTED, b"<Value>" + SIGNING_KEY.encode()])
async def test_a_signing_key_that_is_malformed_is_not_quoted(
    trust: Trust, watch: Watch, body: bytes, shared_identity: IdentityEndpoint
) -> None:
    async with (
        scripted_storage(trust) as storage,
        signed_in_over(storage, trust, shared_identity, limits=LIMITS) as store,
    ):
        storage.choose = lambda _: Instead(200, headers=FROM_STORAGE, body=body)
        with pytest.raises(StoreError, match="malformed user delegation key") as caught:
            await store.signed_url("a", seconds=60)
        watch.note(caught.value)
    watch.assert_without(SIGNING_KEY, shared_identity.header)
