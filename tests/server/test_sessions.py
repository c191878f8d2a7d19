"""The state of an upload, as it travels in ``Location``: sealed, for one upload, for seven days."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.registry import Upload
from registry_core.server.sealing import Sealer
from registry_core.server.sessions import LIFETIME, SessionSealer, UploadSession
from registry_core.spec import digest
from registry_core.spec.errors import BlobUploadInvalid, BlobUploadUnknown
from registry_core.spec.image_config import ImageConfig
from registry_core.storage.upload_state import UploadState
from tests.support.clock import Clock

SECRET = "a secret for tests, long enough"
SESSION = UploadSession(Upload("a/b", "an id", 5, "c3RhdGU"), "Zoë", 1700000000.5)
LARGEST_STATE = UploadState(
    digest.SHA512,
    bytes(range(216)),
    digest.Digest.of(b"", digest.SHA512),
    ImageConfig("windows", "arm64", "v8", "2026-11-28T06:30:00.123456789Z", "1s" * 32),
    '"0x8DEADBEEFCAFE00"',
    50_000,
    1_800_000_000,
)


def test_any_instance_opens_a_session() -> None:
    text = SessionSealer(SECRET).seal(SESSION)
    assert SessionSealer(SECRET).open("a/b", "an id", text) == SESSION


def test_a_session_cannot_be_read() -> None:
    """It names the owner, and where content is."""
    owner = "somebody whose name is long"
    session = UploadSession(SESSION.upload, owner, SESSION.began)
    text = SessionSealer(SECRET).seal(session)
    assert owner.encode() not in base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert SessionSealer(SECRET).seal(session) != text


def test_that_an_upload_may_be_finished_once_is_decided_by_each_request() -> None:
    once = UploadSession(Upload("a/b", "an id", 5, "c3RhdGU", once=True), "Zoë", 1700000000.5)
    assert SessionSealer(SECRET).open("a/b", "an id", SessionSealer(SECRET).seal(once)) == SESSION


@pytest.mark.parametrize(
    "repository, upload_id",
    [("a/c", "an id"), ("a/b", "another"), ("a/b\nan", "id"), ("", "a/b\nan id")],
)
def test_a_session_belongs_to_one_upload(repository: str, upload_id: str) -> None:
    text = SessionSealer(SECRET).seal(SESSION)
    with pytest.raises(BlobUploadInvalid, match="not issued by this registry for this upload"):
        SessionSealer(SECRET).open(repository, upload_id, text)


def test_a_session_of_another_secret_or_purpose_is_refused() -> None:
    content = json.dumps([2**40, "", 0, 0, ""]).encode()
    for text in (
        SessionSealer("another secret, just as long").seal(SESSION),
        Sealer(SECRET, "page").seal(content, "a/b\nan id"),
        Sealer(SECRET, "upload").seal(content),
    ):
        with pytest.raises(BlobUploadInvalid, match="not issued"):
            SessionSealer(SECRET).open("a/b", "an id", text)


def test_a_session_expires() -> None:
    clock = Clock()
    sealer = SessionSealer(SECRET, clock)
    text = sealer.seal(SESSION)
    clock.pass_by(LIFETIME.total_seconds() - 1)
    assert sealer.open("a/b", "an id", text) == SESSION
    clock.pass_by(2)
    with pytest.raises(BlobUploadInvalid, match="expired; start a new upload"):
        sealer.open("a/b", "an id", text)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=100))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BlobUploadInvalid):
        SessionSealer(SECRET).open("a/b", "an id", text)


def test_a_url_without_a_state_names_no_upload() -> None:
    with pytest.raises(BlobUploadUnknown, match="use Location as returned"):
        SessionSealer(SECRET).open("a/b", "an id", "")


def test_the_largest_session_leaves_room_in_a_url() -> None:
    """Hosts accept 8 KiB; names have 255 characters at most, and their repository's is there."""
    upload = Upload("a/b", "an id", 2**45, LARGEST_STATE.encode())
    text = SessionSealer(SECRET).seal(UploadSession(upload, "o" * 255, 1700000000.123456))
    assert len(text) < 1600


def test_the_secret_is_not_shown() -> None:
    sealer = SessionSealer(SECRET)
    sealer.seal(SESSION)
    assert SECRET not in repr(sealer)
