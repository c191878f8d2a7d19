"""The certificate chain in a token must lead to the trusted bundle."""

from __future__ import annotations

import pytest
from jwt.algorithms import ECAlgorithm

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.tokens.certificates import Bundle
from registry_core.auth.tokens.keys import Key, libtrust_id
from registry_core.auth.tokens.trusted_keys import TrustedKeys
from tests.support.certificates import HOUR, Certified, certify
from tests.support.oidc_issuer import ec_key

pytestmark = pytest.mark.anyio

ROOT = certify("root", authority=True)
BETWEEN = certify("between", ROOT, authority=True)
LEAF = certify("leaf", BETWEEN)
BUNDLE = Bundle.parse(ROOT.pem)


def thumbprint(certified: Certified) -> str:
    return Key.of(certified.key.public_key()).thumbprint


@pytest.mark.parametrize(
    "chain",
    [
        [LEAF, BETWEEN],
        [LEAF, BETWEEN, ROOT],
        [BETWEEN],
        [ROOT],
        [certify("says nothing of itself", ROOT, authority=None)],
    ],
)
def test_a_chain_to_the_bundle_returns_the_key_of_its_first_certificate(
    chain: list[Certified],
) -> None:
    key = BUNDLE.verify([certified.x5c for certified in chain])
    assert key.thumbprint == thumbprint(chain[0])


def test_a_certificate_in_the_bundle_need_not_be_an_authority() -> None:
    """With distribution, people put the self-signed certificate of their token service there."""
    alone = certify("alone", authority=None)
    assert Bundle.parse(alone.pem).verify([alone.x5c]).thumbprint == thumbprint(alone)


def _refused() -> dict[str, tuple[Certified, ...]]:
    no_authority = certify("between", ROOT)
    silent = certify("between", ROOT, authority=None)
    namesake = certify("root", authority=True)
    ended = certify("between", ROOT, authority=True, ends=-HOUR / 2)
    narrow = certify("narrow", ROOT, authority=True, path_length=0)
    below = certify("below", narrow, authority=True)
    return {
        "a link is missing": (LEAF,),
        "the links are of another chain": (LEAF, certify("between", ROOT, authority=True)),
        "certified by one that is not an authority": (certify("leaf", no_authority), no_authority),
        "certified by one that does not say it is an authority": (certify("leaf", silent), silent),
        "a root of the same name": (certify("leaf", namesake), namesake),
        "certified by itself": (certify("alone"),),
        "ended": (certify("leaf", ROOT, ends=-HOUR / 2),),
        "not begun": (certify("leaf", ROOT, begins=HOUR / 2),),
        "a link has ended": (certify("leaf", ended), ended),
        "deeper than an authority may go": (certify("leaf", below), below, narrow),
        "too long": (LEAF, BETWEEN, ROOT, ROOT, ROOT, ROOT),
    }


REFUSED = _refused()


@pytest.mark.parametrize("what", REFUSED)
def test_other_chains_are_refused(what: str) -> None:
    with pytest.raises(CredentialsInvalid):
        BUNDLE.verify([certified.x5c for certified in REFUSED[what]])


def test_a_certificate_in_the_bundle_expires_too() -> None:
    ended = certify("alone", ends=-HOUR / 2)
    with pytest.raises(CredentialsInvalid):
        Bundle.parse(ended.pem).verify([ended.x5c])


@pytest.mark.parametrize("x5c", [None, [], "text", [None], [1], ["%"], [ROOT.x5c[:-8]], {"a": 1}])
async def test_a_malformed_chain_is_refused(x5c: object) -> None:
    with pytest.raises(CredentialsInvalid):
        await TrustedKeys(BUNDLE).find({"x5c": x5c})


async def test_no_other_key_is_tried_after_an_untrusted_chain() -> None:
    """Even if ``jwk`` or ``kid`` name a trusted key."""
    header = {"x5c": [certify("alone").x5c], "kid": thumbprint(ROOT), "jwk": ec_key().jwk()}
    with pytest.raises(CredentialsInvalid):
        await TrustedKeys(BUNDLE).find(header)


async def test_without_a_bundle_no_chain_is_trusted() -> None:
    with pytest.raises(CredentialsInvalid):
        await TrustedKeys().find({"x5c": [ROOT.x5c]})


async def test_the_keys_of_the_bundle_are_found_by_their_ids() -> None:
    """By thumbprint (RFC 7638) as in distribution v3, and by libtrust's id as in v2."""
    key = Key.of(ROOT.key.public_key())
    assert await TrustedKeys(BUNDLE).find({"kid": key.thumbprint}) == key
    assert await TrustedKeys(BUNDLE).find({"kid": libtrust_id(key)}) == key
    with pytest.raises(CredentialsInvalid):
        await TrustedKeys(BUNDLE).find({"kid": thumbprint(LEAF)})


async def test_a_jwk_with_a_chain_is_the_key_of_that_chain() -> None:
    own = Key.of(LEAF.key.public_key())
    chain = [LEAF.x5c, BETWEEN.x5c]
    jwk = {"x5c": chain, **_jwk(LEAF)}
    assert (await TrustedKeys(BUNDLE).find({"jwk": jwk})).thumbprint == own.thumbprint
    with pytest.raises(CredentialsInvalid):
        await TrustedKeys(BUNDLE).find({"jwk": {"x5c": chain, **ec_key().jwk()}})


def _jwk(certified: Certified) -> dict[str, object]:
    return dict(ECAlgorithm.to_jwk(certified.key.public_key(), as_dict=True))


@pytest.mark.parametrize("pem", ["", "text", ROOT.pem[:-60], ROOT.pem.replace("M", "%")])
def test_a_malformed_bundle_is_refused(pem: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Bundle.parse(pem)
