"""Bicep is read as its compiler reads it, and what is not understood is refused."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.bicep import Instance, Problem, Refused, read_template
from tests.support.bicep.versions import KNOWN, known_versions

PARAMETERS = '{ "parameters": {} }'


@pytest.mark.parametrize(
    "expression, value",
    [
        ("'a ${word} b'", "a word b"),
        ("'${word}${word} '", "wordword "),
        (r"'\'\\\n\u{41} \${word}'", "'\\\n\u0041 ${word}"),
        ("'''\na ${word}\n'''", "a ${word}\n"),
        ("1 + 2 * 3 == 7", True),
        ("word == outer.inner.word", False),
        ("word == 'word' ? outer.inner.word : word", "deep"),
        ("false ? word : outer.inner.word", "deep"),
        ("false || outer.truth && false", False),
        ("!outer.truth || outer.truth", True),
        ("none ?? outer.inner.word", "deep"),
        ("outer.truth ? false ? 1 : 2 : 3", 2),
        ("[for n in [1, 2]: n * n]", [1, 4]),
        ("[for (n, i) in ['a', 'b']: '${n}${i}']", ["a0", "b1"]),
        ("union({ a: 1, b: 1 }, { b: 2 })", {"a": 1, "b": 2}),
        ("[1, 2][1]", 2),
        ("{ 'a-${word}': 1 }", {"a-word": 1}),
    ],
)
def test_an_expression_has_the_value_that_bicep_gives_it(
    expression: str, value: object, tmp_path: Path
) -> None:
    assert worked_out(expression, tmp_path) == value


@pytest.mark.parametrize(
    "expression, message",
    [
        ("reduce([1], 0, (a, b) => a + b)", "Lambda cannot be worked out here"),
        ("cidrSubnet('10.0.0.0/16', 24, 0)", "cidrSubnet() cannot be worked out here"),
        ("outer.other", "there is no other"),
        ("account.properties.other", "has as properties.other is not in ANSWERS"),
        ("absent.properties.primaryEndpoints.blob", "absent is not deployed"),
    ],
)
def test_what_cannot_be_worked_out_is_refused(
    expression: str, message: str, tmp_path: Path
) -> None:
    """Rather than to be passed over, or guessed."""
    with pytest.raises(Refused, match=re.escape(message)):
        worked_out(expression, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "var a = { ...b }",
        "using 'main.bicep'",
        "assert a = true",
        "var a = {\n  b: {\n    resource c 'd' = {\n      name: 'e'\n    }\n  }\n}",
    ],
)
def test_a_construct_that_is_not_understood_is_a_problem(text: str, tmp_path: Path) -> None:
    """The grammar does not know some of Bicep, and this reader knows less: both say so."""
    assert problems_of(text, tmp_path)


def test_a_nested_resource_has_its_place_and_its_version(tmp_path: Path) -> None:
    text = """
    resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
      name: 'account'
      resource blobs 'blobServices' existing = {
        name: 'default'
        resource container 'containers' existing = {
          name: 'registry'
        }
      }
    }
    """
    assert problems_of(text, tmp_path) == []
    inner = list(read_template(tmp_path)[0].resources())[-1][1]
    assert inner.name == "account::blobs::container"
    assert inner.type == "Microsoft.Storage/storageAccounts/blobServices/containers"
    assert inner.version == "2023-05-01"


@pytest.mark.parametrize(
    "package, kind",
    [
        ("web", "Microsoft.Web/sites"),
        ("storage", "Microsoft.Storage/storageAccounts"),
        ("keyvault", "Microsoft.KeyVault/vaults"),
        ("loganalytics", "Microsoft.OperationalInsights/workspaces"),
    ],
)
def test_the_newest_version_known_is_the_packages_own(package: str, kind: str) -> None:
    """So a raised package says when the table of versions is to be raised."""
    module = importlib.import_module(f"azure.mgmt.{package}._configuration")
    match = re.search(r'"api_version", "([\d-]+)"', inspect.getsource(module))
    assert match is not None
    assert known_versions(kind)[-1] == match[1]


def test_versions_are_listed_oldest_first() -> None:
    listed = [versions.split() for versions in KNOWN.values()]
    assert listed == [sorted(versions) for versions in listed]


def problems_of(text: str, folder: Path) -> list[Problem]:
    (folder / "main.bicep").write_text(text)
    (folder / "main.parameters.json").write_text(PARAMETERS)
    return read_template(folder)[1]


def worked_out(expression: str, folder: Path) -> Any:
    text = f"""
    param word string
    param none string?
    var outer = {{ truth: true, inner: {{ word: 'deep' }} }}
    resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {{
      name: 'account'
    }}
    resource absent 'Microsoft.Storage/storageAccounts@2023-05-01' = if (false) {{
      name: 'absent'
    }}
    output result object = {expression}
    """
    assert problems_of(text, folder) == []
    template, _ = read_template(folder)
    return Instance(template, template.main, {"word": "word"}).outputs()["result"]
