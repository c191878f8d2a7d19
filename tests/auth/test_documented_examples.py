"""The examples in docs/authentication.md: their settings are accepted, and their commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from registry_core.config import read_settings
from tests.support.host import PROJECT

PAGE = (PROJECT / "docs/authentication.md").read_text()
SECTION = PAGE.partition("\n## Examples\n")[2].partition("\n## ")[0]
EXAMPLES = {
    title: text for title, _, text in (part.partition("\n") for part in SECTION.split("\n### ")[1:])
}
STORAGE = {
    "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "account",
    "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
}


def blocks(example: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.+?)```", EXAMPLES[example], re.DOTALL)


def run_our_commands(example: str, folder: Path) -> None:
    """Run the commands that need no storage, each with a password to read."""
    for line in "".join(blocks(example, "sh")).splitlines():
        if line.startswith("python -m registry_core "):
            subprocess.run(
                line.replace("python", f"'{sys.executable}'", 1),
                shell=True,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                input=b"a password\n",
                check=True,
            )


def test_there_are_five_examples() -> None:
    assert list(EXAMPLES) == [
        "A single team",
        "CI with federation",
        "AKS pulling with a managed identity",
        "Public and private",
        "An external issuer",
    ]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_settings_of_each_example_are_accepted(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the rules given there and the files that its commands make, and without a warning."""
    monkeypatch.chdir(tmp_path)
    for rules in blocks(example, "toml"):
        Path("rules.toml").write_text(rules)
    run_our_commands(example, tmp_path)
    [lines] = blocks(example, "ini")
    environment = dict(line.split("=", 1) for line in lines.splitlines())

    settings = read_settings({**STORAGE, **environment})

    assert settings.auth.mode == environment["REGISTRY_AUTH"]
    assert (settings.auth.rules is not None) == ("REGISTRY_AUTH_RULES" in environment)
    assert caplog.messages == []
