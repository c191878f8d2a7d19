"""The table of settings is complete, and docs/settings.md is generated from it."""

from __future__ import annotations

import re

import pytest

from registry_core.config.reader import SettingsReader
from registry_core.config.setting import Setting, Type
from registry_core.config.table import SECTIONS, SETTINGS
from tests.house.tree import PROJECT
from tools.settings import render


def test_the_page_is_up_to_date() -> None:
    """If not: ``python -m tools.settings > docs/settings.md``."""
    assert (PROJECT / "docs" / "settings.md").read_text() == render()


def test_every_setting_is_listed_once() -> None:
    names = [setting.name for section in SECTIONS for setting in section.settings]
    assert len(names) == len(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_default_is_a_valid_value(setting: Setting) -> None:
    reader = SettingsReader({})
    match setting.type:
        case Type.FLAG if setting.default:
            reader.flag(setting.name)
        case Type.NUMBER:
            reader.number(setting.name)
        case Type.DURATION if setting.default:
            reader.duration(setting.name)
        case Type.CHOICE:
            assert (reader.choice(setting.name) or "") == setting.default
            assert setting.choices
    assert reader.problems == []
    assert not (setting.default and setting.unset), "a default, or what holds without one"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_description_is_made_of_sentences(setting: Setting) -> None:
    assert re.fullmatch(r"[A-Z`].*[.]", setting.description)
    assert "|" not in setting.description, "this would end the table's cell"
