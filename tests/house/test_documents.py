"""The documents agree with the tree: files, links, settings and commands that they name exist."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from registry_core.cli.main import main
from registry_core.config import SETTINGS, read_settings
from tests.support.programs import DEBIAN_PACKAGES

from .tree import PROJECT, tracked

ABOUT_THE_TREE = ("README.md", "CONTRIBUTING.md")
DOCUMENTS = (*ABOUT_THE_TREE, *map(str, tracked("docs/*.md")))
FOLDERS = {"benchmarks", "contrib", "docs", "infra", "registry_core", "scripts", "tests", "tools"}
CREATED_BY_THE_READER = "local.settings.json"


def test_the_example_of_local_settings_is_valid() -> None:
    """The registry accepts what `func start` sets from local.settings.example.json."""
    example = json.loads((PROJECT / "local.settings.example.json").read_text())
    assert read_settings(example["Values"]).storage.container == "registry"


def test_every_dependency_is_explained() -> None:
    """CONTRIBUTING.md gives a reason for each direct dependency."""
    explained = set(re.findall(r"(?m)^\| `([\w-]+)`", text("CONTRIBUTING.md")))
    assert required() == explained


def test_ci_installs_every_program_that_tests_drive() -> None:
    """.ci/run names the Debian package of each."""
    words = set(text(".ci/run").split())
    assert set(DEBIAN_PACKAGES.values()) - words == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_scripts_that_a_document_names_exist(document: str) -> None:
    """Every script exists and is executable."""
    named = re.findall(r"\b(?:scripts|\.ci)/\w+", text(document))
    assert named or document not in ABOUT_THE_TREE
    assert [name for name in named if not os.access(PROJECT / name, os.X_OK)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_a_document_names_exist(document: str) -> None:
    """Every link leads to a file, and so does text in backticks that looks like a path."""
    named = re.findall(r"`(?!/)([\w./-]+(?:/|\.(?:py|md|txt|toml|json)))`", text(document))
    if document not in ABOUT_THE_TREE:  # it names paths in the container as well
        named = [name for name in named if name.split("/")[0] in FOLDERS]
    linked = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text(document))
    beside = (PROJECT / document).parent
    assert named + linked or document not in ABOUT_THE_TREE
    assert [name for name in named if not exists(name)] == []
    assert [name for name in linked if not (beside / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_headings_that_a_document_links_to_exist(document: str) -> None:
    """In the same document or another, with the anchors that GitHub makes."""
    beside = (PROJECT / document).parent
    linked = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text(document))
    pages = {name: beside / name if name else PROJECT / document for name, _ in linked}
    headings = {name: anchors(page.read_text()) for name, page in pages.items() if page.exists()}
    assert [link for link in linked if link[1] not in headings.get(link[0], {link[1]})] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_settings_that_a_document_names_are_known(document: str) -> None:
    """Names that end with an underscore stand for a group; infra/ has names of azd as well.

    One is podman's.
    """
    pattern = re.compile(r"\bREGISTRY_\w+")
    of_azd = {name for path in tracked("infra/") for name in pattern.findall(text(str(path)))}
    of_tests = set(pattern.findall(text("tests/live/account.py")))
    unknown = (
        set(pattern.findall(text(document)))
        - set(SETTINGS)
        - of_azd
        - of_tests
        - {"REGISTRY_AUTH_FILE"}
    )
    assert {name for name in unknown if not name.endswith("_")} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_shell_blocks_of_a_document_are_valid(document: str) -> None:
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", text(document))
    for block in blocks:
        read = subprocess.run(
            ["bash", "-n"], input=block, capture_output=True, text=True, check=False
        )
        assert (read.returncode, read.stderr) == (0, ""), block


def test_no_package_registry_and_no_folder_of_a_machine_is_named() -> None:
    """Each machine configures where packages come from."""
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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_python_commands_of_a_document_exist(
    document: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands and options of `moorage`, and the programs of tools/ and benchmarks/."""
    program = r"(?:python -m registry_core|(?m:^|`)moorage)"
    lines = re.findall(rf"{program} ([a-z][^`|>)\n\\]*)", text(document))
    for words in map(shlex.split, lines):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"])
        assert ended.value.code == 0, (words, capsys.readouterr().err)
    modules = re.findall(r"python -m ((?:benchmarks|tools)(?:\.\w+)*)", text(document))
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", page))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def required() -> set[str]:
    """Return the names of the direct dependencies."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for lines in extras for line in lines)]
    lines += [line for path in tracked("requirements*.in") for line in text(str(path)).splitlines()]
    names = {found[0] for line in lines if (found := re.match(r"[A-Za-z][\w-]*", line))}
    return names - {project["name"]}


def text(name: str) -> str:
    return (PROJECT / name).read_text()


def exists(name: str) -> bool:
    """Return whether a path exists, in the tree or, as `storage/layout.py`, in the package."""
    if name == CREATED_BY_THE_READER:
        return True
    return any((folder / name).exists() for folder in (PROJECT, PROJECT / "registry_core"))
