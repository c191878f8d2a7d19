"""What `registry_core` exports, and what importing it costs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import registry_core
from tools.cold_start import start


@pytest.mark.parametrize("name", registry_core.__all__)
def test_every_exported_name_exists(name: str) -> None:
    value = getattr(registry_core, name)
    assert value.__name__ in (name, f"registry_core.spec.{name}")


def test_type_checkers_see_the_same_names() -> None:
    source = Path(registry_core.__file__).read_text()
    assert sorted(re.findall(r"import \w+ as (\w+)", source)) == sorted(registry_core.__all__)


def test_names_are_listed_before_they_are_imported() -> None:
    assert set(registry_core.__all__) <= set(dir(registry_core))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'registry_core' has no attribute 'Registrie'"):
        _ = registry_core.Registrie  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_else() -> None:
    nothing, package = start((), {}), start(("registry_core",), {})
    added = {name for name in package.packages - nothing.packages if not name.startswith("_")}
    assert added == {"registry_core"}
    assert [name for name in package.modules if name.startswith("registry_core.")] == []
