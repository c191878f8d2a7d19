"""What the documents have people make in their clone cannot be committed by `git add --all`."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.house.tree import PROJECT, tracked

_SECRET = re.compile(
    r"[\w./-]*(?:htpasswd(?!\.py)[\w.-]*|rules[\w-]*\.toml|\.(?:env|pem|pfx|key|p12))\b"
)
_DOCUMENTS = ("README.md", *(path.as_posix() for path in tracked("docs/*.md")))


def ignored(path: str) -> bool:
    """Return whether git ignores a file at this path."""
    command = ["git", "check-ignore", "--quiet", "--no-index", path]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode == 0


def made_by_readers() -> set[str]:
    """Return the files that shell blocks of the documents write or read, with keys or users."""
    blocks = [
        block
        for document in _DOCUMENTS
        for block in re.findall(r"(?ms)^```sh\n(.*?)^```", (PROJECT / document).read_text())
    ]
    words = {word for block in blocks for word in re.split(r"[\s\"'()=]+", block)}
    return {word for word in words if _SECRET.fullmatch(word)}


def test_git_ignores_keys_users_and_rules_of_the_documents() -> None:
    made = made_by_readers()
    assert {"signing-key.pem", "htpasswd", "rules.toml", "registry.pfx"} <= made
    assert [path for path in sorted(made) if not ignored(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        ".azure/registry/.env",
        ".env",
        "docs/.env",
        "htpasswd.old",
        "infra/signing-key.pem",
        "infra/users.env",
        "local.settings.json",
        "registry_core/auth/htpasswd",
        "team-rules.toml",
        "tls/registry.key",
    ],
)
def test_git_ignores_secrets_wherever_they_are(path: str) -> None:
    assert ignored(path)


def test_git_ignores_nothing_that_belongs_to_the_project() -> None:
    assert [path for path in tracked() if ignored(path.as_posix())] == []
