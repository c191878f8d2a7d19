"""Attempts to get in without permission: each is refused, and the answer reveals nothing."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry_core.spec.digest import Digest
from tests.support.certificates import certify
from tests.support.oidc_issuer import ec_key
from tests.support.wire import assert_error

from .guarded import MINUTES, Guarded, guarded

pytestmark = pytest.mark.anyio

LAYER = b"a layer that only secret/app has"
DIGEST = Digest.of(LAYER)
PULL = "repository:secret/app:pull"
ALL = "repository:secret/app:pull,push,delete"


@pytest.fixture
async def registry() -> AsyncIterator[Guarded]:
    """A registry with an image ``v1`` in ``secret/app``."""
    async with guarded() as made:
        await made.granted("secret/app").push_image("v1", LAYER)
        made.store.take()
        yield made


def encoded(part: object) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forged(registry: Guarded) -> dict[str, str]:
    """Return forged tokens by the way in which they were forged."""
    good, other = registry.token(ALL), ec_key()
    head, payload, signature = good.split(".")
    header, claims = (
        jwt.get_unverified_header(good),
        jwt.decode(good, options={"verify_signature": False}),
    )
    public = registry.key.private.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    shared = f"{encoded({**header, 'alg': 'HS256'})}.{payload}"
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    attacker = certify("attacker", authority=True)

    def signed(key: object, **headers: object) -> str:
        return jwt.encode(claims, key, "ES256", headers=headers)  # type: ignore[arg-type]

    now = registry.clock()
    return {
        "alg none": f"{encoded({**header, 'alg': 'none'})}.{payload}.",
        "alg none, signed": f"{encoded({**header, 'alg': 'none'})}.{payload}.{signature}",
        "the public key as a secret": f"{shared}.{encoded(_sign(hmac, shared, public))}",
        "no signature": f"{head}.{payload}.",
        "other claims": f"{head}.{encoded({**claims, 'sub': 'root'})}.{signature}",
        "another key": signed(other.private, kid=registry.key.kid),
        "jwk": signed(other.private, jwk=other.jwk()),
        "jwk and kid": signed(other.private, jwk=other.jwk(), kid=registry.key.kid),
        "x5c": signed(attacker.key, x5c=[attacker.x5c]),
        "kid": signed(other.private, kid=other.kid),
        "kid of a file": signed(other.private, kid="../../../dev/null"),
        "jku": signed(other.private, jku="https://attacker.test/keys", kid=registry.key.kid),
        "x5u": signed(attacker.key, x5u="https://attacker.test/chain"),
        "iss": registry.token(ALL, iss="attacker.test"),
        "aud": registry.token(ALL, aud="another.test"),
        "expired": registry.token(ALL, exp=now - 2 * MINUTES),
        "not yet valid": registry.token(ALL, nbf=now + 2 * MINUTES),
        "no exp": jwt.encode(
            {k: v for k, v in claims.items() if k != "exp"},
            registry.key.private,
            "ES256",
            headers={"kid": registry.key.kid},
        ),
        "huge": registry.token(ALL, pad="x" * 100_000),
        "deep": f"{encoded(b'[' * 20_000)}.{payload}.{signature}",
    }


def _sign(hmac: jwt.algorithms.HMACAlgorithm, text: str, secret: bytes) -> bytes:
    return hmac.sign(text.encode(), secret)


@contextmanager
def nothing_secret_in(caplog: pytest.LogCaptureFixture, *credentials: str) -> Iterator[None]:
    """Check that nothing logged inside, at any level, contains credentials or a part of them."""
    with caplog.at_level(logging.DEBUG):
        yield
    parts = [part for text in credentials for part in text.split(".") if len(part) > 8]
    assert parts
    written = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert [part for part in parts if part[:40] in written] == []


async def test_a_forged_token_opens_nothing(
    registry: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    """With the same text, without a storage call, and without a trace of the token in the log."""
    for way, token in forged(registry).items():
        attacker = registry.wire("secret/app", token).client
        with nothing_secret_in(caplog, token):
            for method, path in (
                ("GET", "/v2/"),
                ("GET", "/v2/secret/app/manifests/v1"),
                ("DELETE", "/v2/secret/app/manifests/v1"),
                ("POST", "/v2/secret/app/blobs/uploads/"),
            ):
                answer = await attacker.request(method, path)
                assert answer.status_code == 401, (way, answer.text)
                assert answer.headers["WWW-Authenticate"].endswith('error="invalid_token"'), way
                assert answer.json()["errors"][0]["message"] == "authentication required"
                assert token not in answer.text
    assert registry.store.take() == []
    assert "attacker.test" not in caplog.text


async def test_the_token_that_the_forgeries_are_based_on_is_valid(registry: Guarded) -> None:
    """So each is refused because of how it was forged."""
    reader = registry.wire("secret/app", registry.token(ALL)).client
    assert (await reader.get("/v2/secret/app/manifests/v1")).status_code == 200


@pytest.mark.parametrize(
    "granted",
    [
        "repository:secret:pull",
        "repository:secret/:pull",
        "repository:secret/ap:pull",
        "repository:secret/app/more:pull",
        "repository:Secret/App:pull",
        "repository:SECRET/APP:pull",
        "repository:secret/*:pull",
        "repository:**:pull",
        "registry:secret/app:pull",
        "registry:catalog:*",
    ],
)
async def test_another_grant_does_not_open_a_repository(registry: Guarded, granted: str) -> None:
    """Not by prefix, case, something like a glob, or another type."""
    reader = registry.wire("secret/app", registry.token(granted)).client
    for path in ("manifests/v1", f"blobs/{DIGEST}", "tags/list", f"referrers/{DIGEST}"):
        answer = await reader.get(f"/v2/secret/app/{path}")
        assert answer.headers["WWW-Authenticate"].endswith('error="insufficient_scope"')
        assert_error(answer, 401, "UNAUTHORIZED")
    assert registry.store.take() == []


@pytest.mark.parametrize(
    "path",
    [
        "/v2/mine/../secret/app/manifests/v1",
        "/v2/mine/%2e%2e/secret/app/manifests/v1",
        "/v2/mine/..%2fsecret%2fapp/manifests/v1",
        "/v2/mine%2f..%2f..%2fsecret/app/manifests/v1",
        "/v2/mine/manifests/../../secret/app/manifests/v1",
        "/v2//secret/app/manifests/v1",
        "/v2/./secret/app/manifests/v1",
        "/v2/secret/app%00/manifests/v1",
        "/v2/secret/app;mine/manifests/v1",
        "/v2/mine/manifests/..%2f..%2fsecret",
        "/v2/secret%252fapp/manifests/v1",
        "/V2/secret/app/manifests/v1",
        "/v2/SECRET/app/manifests/v1",
    ],
)
async def test_no_path_bypasses_the_grants(registry: Guarded, path: str) -> None:
    """A name is granted letter by letter, or it is not valid."""
    reader = registry.granted("mine").client
    # As it stands: the client would put the dots right before it sends them.
    url = httpx.URL("http://registry.test").copy_with(raw_path=path.encode())
    answer = await reader.send(httpx.Request("GET", url, headers=reader.headers))
    assert answer.status_code in (400, 401, 404)
    assert LAYER not in answer.content
    assert registry.store.take() == []


async def test_pull_and_push_do_not_allow_deletion(registry: Guarded) -> None:
    for actions in ("pull", "pull,push", "push"):
        client = registry.granted("secret/app", actions).client
        for path in ("manifests/v1", f"manifests/{DIGEST}", f"blobs/{DIGEST}"):
            assert_error(await client.delete(f"/v2/secret/app/{path}"), 401, "UNAUTHORIZED")
    assert registry.store.take() == []


@pytest.mark.parametrize(
    "scope", [ALL, "repository:catalog:*", "registry:catalog:pull", "registry:Catalog:*"]
)
async def test_the_catalog_is_not_a_repository(registry: Guarded, scope: str) -> None:
    client = registry.wire("x", registry.token(scope)).client
    assert_error(await client.get("/v2/_catalog"), 401, "UNAUTHORIZED")
    assert registry.store.take() == []


async def test_mounting_reveals_nothing_about_a_hidden_repository(registry: Guarded) -> None:
    """It becomes an upload: same answer, same calls, whether the blob exists or not."""
    writer = registry.granted("mine")
    shown = set()
    for source in ("secret/app", "never/pushed", "", "secret/App"):
        for digest in (DIGEST, Digest.of(b"never pushed")):
            query = {"mount": str(digest)} | ({"from": source} if source else {})
            answer = await writer.client.post("/v2/mine/blobs/uploads/", params=query)
            calls = tuple(registry.store.take())
            shown.add((answer.status_code, tuple(answer.headers), calls))
    [(status, _, _)] = shown
    assert status == 202
    assert (await writer.client.head(f"/v2/mine/blobs/{DIGEST}")).status_code == 404


async def test_a_readable_blob_is_mounted(registry: Guarded) -> None:
    """The control of the test above."""
    token = registry.token("repository:mine:pull,push", PULL)
    query = {"mount": str(DIGEST), "from": "secret/app"}
    writer = registry.wire("mine", token).client
    assert (await writer.post("/v2/mine/blobs/uploads/", params=query)).status_code == 201


async def test_the_state_of_an_upload_is_valid_for_that_upload_only(registry: Guarded) -> None:
    """Not in another repository, with another id, altered, or as a token."""
    victim, attacker = registry.granted("secret/app"), registry.granted("mine")
    location = httpx.URL(await victim.start())
    state = location.params["_state"]
    own = httpx.URL(await attacker.start())
    for path in (own.path, f"/v2/mine/blobs/uploads/{location.path.rpartition('/')[2]}"):
        answer = await attacker.patch(f"{path}?_state={state}", b"x")
        assert_error(answer, 404, "BLOB_UPLOAD_INVALID")
    half = len(state) // 2
    stolen = f"{own.path}?_state={own.params['_state'][:half]}{state[half:]}"
    assert_error(await attacker.patch(stolen, b"x"), 404, "BLOB_UPLOAD_INVALID")
    bearer = registry.wire("secret/app", state).client
    assert_error(await bearer.get("/v2/"), 401, "UNAUTHORIZED")
    assert registry.store.take() == []


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b c",
        "Bearer " + "\xff" * 20,
        "Basic %%%",
        "Basic",
        "\x00",
        ",",
    ],
)
async def test_a_malformed_header_is_refused(
    registry: Guarded, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        headers = {b"Authorization": header.encode("latin-1")}
        answer = await registry.client.get("/v2/secret/app/manifests/v1", headers=headers)
    assert_error(answer, 401, "UNAUTHORIZED")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_two_headers_are_refused(registry: Guarded) -> None:
    """A proxy in front of the registry may have checked the other one."""
    good = f"Bearer {registry.token(ALL)}"
    for pair in ((good, good), ("Bearer x", good), (good, "Basic YTpi")):
        headers = [("Authorization", value) for value in pair]
        answer = await registry.client.get("/v2/secret/app/manifests/v1", headers=headers)
        assert_error(answer, 401, "UNAUTHORIZED")


async def test_credentials_are_not_logged(
    registry: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither valid ones, nor the states of uploads."""
    token = registry.token(ALL)
    with nothing_secret_in(caplog, token):
        writer = registry.wire("secret/app", token)
        state = httpx.URL(await writer.start()).params["_state"]
        await writer.push_image("v2", b"another layer")
        await writer.client.delete("/v2/secret/app/manifests/none")
        basic = base64.b64encode(b"alice:a password").decode()
        await registry.client.get("/v2/", headers={"Authorization": f"Basic {basic}"})
    application = [r for r in caplog.records if r.name.startswith("registry_core")]
    assert [r for r in application if state in str(vars(r)) or basic in str(vars(r))] == []
