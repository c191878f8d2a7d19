"""Which tokens of an external issuer are valid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.tokens.claims import VerifiedToken
from registry_core.auth.tokens.keys import ALGORITHMS, Key, KeySet
from registry_core.auth.tokens.verification import TOKEN_LIMIT, TokenVerifier
from tests.support.clock import Clock

from .tokens import ISSUER, KEY, KEYS, RSA, SERVICE, claims, refuses, signed, verifier

pytestmark = pytest.mark.anyio


async def test_a_valid_token_has_a_subject_and_scopes() -> None:
    verified = await verifier().verify(signed())
    assert verified.subject == "alice"
    assert list(map(str, verified.scopes)) == ["repository:a/b:pull,push"]


@pytest.mark.parametrize("audience", [SERVICE, [SERVICE], ["other", SERVICE]])
async def test_the_audience_is_the_service_or_lists_it(audience: object) -> None:
    assert (await verifier().verify(signed(aud=audience))).subject == "alice"


@pytest.mark.parametrize("access", [None, []])
async def test_a_token_may_have_neither_subject_nor_scopes(access: object) -> None:
    verified = await verifier().verify(signed(sub=None, access=access))
    assert (verified.subject, verified.scopes) == ("", ())


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "other.test"},
        {"iss": None},
        {"iss": [ISSUER]},
        {"iss": ISSUER.upper()},
        {"aud": "other.test"},
        {"aud": None},
        {"aud": []},
        {"aud": [1, None, [SERVICE]]},
        {"aud": f"{SERVICE}.evil"},
        {"aud": {SERVICE: 1}},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": "0"},
        {"nbf": float("nan")},
        {"sub": 1},
        {"access": {}},
        {"access": "repository:a/b:pull"},
        {"access": [None]},
        {"access": [{"type": "repository", "name": ["a"], "actions": ["pull"]}]},
        {"access": [{"type": "repository", "name": "a", "actions": "pull"}]},
        {"access": [{"type": "repository", "name": "a", "actions": [1]}]},
        {"access": [{"name": "a", "actions": ["pull"]}]},
    ],
)
async def test_a_token_with_other_claims_is_refused(changed: Mapping[str, Any]) -> None:
    key, header = KEY.private, {"kid": KEY.kid}
    payload = json.dumps(claims(**changed)).encode()
    await refuses(jwt.PyJWS().encode(payload, key, "ES256", headers=header))


@pytest.mark.parametrize(
    "changed, holds_for",
    [
        ({"exp": 1000}, (0, 999, 1000, 1060)),
        ({"exp": 5000, "nbf": 1000}, (940, 1000, 5060)),
        ({"exp": 5000.5, "nbf": 1000.5}, (940.5, 5060.5)),
    ],
)
async def test_clocks_may_differ_by_a_minute(
    changed: Mapping[str, Any], holds_for: tuple[float, ...]
) -> None:
    """``exp`` and ``nbf`` have 60 s of leeway, the same as distribution's."""
    clock = Clock()
    checks = verifier(now=clock)
    token = signed(**changed)
    first = changed.get("nbf", 0) - 60
    for clock.time in holds_for:
        await checks.verify(token)
    for clock.time in (first - 0.1, changed["exp"] + 60.1):
        if clock.time > 0:
            with pytest.raises(CredentialsInvalid):
                await checks.verify(token)


async def test_an_earlier_time_counts_for_the_expiry_only() -> None:
    """An upload continues with the token that it began with, or with a newer one."""
    clock = Clock(2000)
    checks = verifier(now=clock)
    ended, newer = signed(exp=1000), signed(exp=3000, nbf=1990)
    with pytest.raises(CredentialsInvalid, match="expired"):
        await checks.verify(ended)
    with pytest.raises(CredentialsInvalid, match="expired"):
        await checks.verify(ended, 1061)
    assert (await checks.verify(ended, 900)).subject == "alice"
    assert (await checks.verify(newer, 900)).subject == "alice"
    with pytest.raises(CredentialsInvalid, match="not valid yet"):
        await checks.verify(signed(exp=9000, nbf=2061), 900)


def _every_algorithm() -> dict[str, object]:
    keys: dict[str, object] = {
        name: RSA.private for name in ALGORITHMS if name.startswith(("RS", "PS"))
    }
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    keys |= {name: ec.generate_private_key(curve) for name, curve in curves.items()}
    return keys | {"EdDSA": ed25519.Ed25519PrivateKey.generate()}


EVERY = _every_algorithm()


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_every_asymmetric_algorithm_is_accepted(algorithm: str) -> None:
    private: Any = EVERY[algorithm]
    keys = KeySet({KEY.kid: Key.of(private.public_key())})
    token = signed(private, algorithm)
    assert (await verifier(keys).verify(token)).subject == "alice"
    await refuses(token, keys=keys, algorithms=ALGORITHMS - {algorithm})


async def test_the_length_of_a_token_is_limited() -> None:
    """To 32 KiB: Azure's front end accepts no more."""
    good = signed(pad="x" * (TOKEN_LIMIT * 3 // 4 - 1000))
    assert len(good) <= TOKEN_LIMIT
    await verifier().verify(good)
    assert "longer" in await refuses(signed(pad="x" * TOKEN_LIMIT))


class Counted:
    """A `KeySource` that counts its calls: one for each signature that is verified."""

    def __init__(self) -> None:
        self.found = 0

    async def find(self, header: Mapping[str, Any]) -> Key:
        self.found += 1
        return await KEYS.find(header)


async def test_a_signature_is_verified_once_in_five_minutes() -> None:
    """Until then only the times of the token are checked."""
    keys, clock = Counted(), Clock()
    checks = TokenVerifier(keys, ISSUER, SERVICE, now=clock)
    token = signed(exp=clock() + 10_000)
    seen: list[VerifiedToken] = [await checks.verify(token) for _ in range(10)]
    assert all(verified is seen[0] for verified in seen)
    assert keys.found == 1
    clock.pass_by(301)
    await checks.verify(token)
    assert keys.found == 2


async def test_the_cache_is_bounded_by_the_length_of_the_tokens() -> None:
    """The least recently used tokens are dropped first."""
    keys, tokens = Counted(), [signed(number=number) for number in range(4)]
    room = sum(map(len, tokens[1:]))
    checks = TokenVerifier(keys, ISSUER, SERVICE, cache_bytes=room)
    for token in (*tokens, *tokens[1:]):
        await checks.verify(token)
    assert keys.found == 4
    await checks.verify(tokens[0])
    assert keys.found == 5
