"""What is published and installed, and what the documents say, agrees with the tree."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from registry_core.config import KNOWN, read_settings
from tests.support.clients import DEBIAN_PACKAGES

from .tree import PROJECT, tracked

DOCUMENTS = ("README.md", "CONTRIBUTING.md")
MADE_BY_ITS_READER = "local.settings.json"


def test_the_example_of_local_settings_is_understood() -> None:
    """What `func start` is given by local.settings.example.json starts the registry."""
    example = json.loads((PROJECT / "local.settings.example.json").read_text())
    assert read_settings(example["Values"]).storage.container == "registry"


def test_every_setting_is_explained() -> None:
    """The table in README.md has each setting that config knows, and no other."""
    assert set(re.findall(r"(?m)^\| `(REGISTRY_\w+)`", text("README.md"))) == KNOWN


def test_every_dependency_is_explained() -> None:
    """CONTRIBUTING.md says of each direct dependency why it is there."""
    explained = set(re.findall(r"(?m)^\| `([\w-]+)`", text("CONTRIBUTING.md")))
    assert required() == explained


def test_ci_installs_every_program_that_tests_drive() -> None:
    """.ci/run names the Debian package of each."""
    words = set(text(".ci/run").split())
    assert set(DEBIAN_PACKAGES.values()) - words == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_that_a_document_names_exist(document: str) -> None:
    """Every script is there and can be run."""
    named = re.findall(r"\b(?:scripts|\.ci)/\w+", text(document))
    assert named
    assert [name for name in named if not os.access(PROJECT / name, os.X_OK)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_a_document_names_exist(document: str) -> None:
    """What stands in backticks and looks like a path of the tree is one."""
    named = re.findall(r"`([\w./-]+(?:/|\.(?:py|md|txt|toml|json)))`", text(document))
    named += re.findall(r"\]\((?!https?:)([^)#]+)\)", text(document))
    assert named
    assert [name for name in named if not exists(name)] == []


def test_no_package_registry_and_no_folder_of_a_machine_is_named() -> None:
    """Packages are named, never where they come from: that is for each machine to say."""
    hosts = [r"pypi\.org", r"pythonhosted\.org", r"npmjs\.\w+", r"(deb|security)\.debian\.org"]
    unwanted = re.compile("|".join([*hosts, r"(?<![\w.>)\"])/(work|root|home)/\w"]))
    here = Path(__file__).relative_to(PROJECT)
    lines = [
        f"{path}: {line.strip()}"
        for path in tracked()
        if path != here
        for line in text(str(path)).splitlines()
        if unwanted.search(line)
    ]
    assert lines == []


def required() -> set[str]:
    files = tracked("requirements*.txt")
    return {name for path in files for name in re.findall(r"(?m)^[A-Za-z][\w-]*", text(str(path)))}


def text(name: str) -> str:
    return (PROJECT / name).read_text()


def exists(name: str) -> bool:
    """Names inside the package may be written from its folder: `storage/layout.py`."""
    if name == MADE_BY_ITS_READER:
        return True
    return any((folder / name).exists() for folder in (PROJECT, PROJECT / "registry_core"))
