"""When garbage is collected: durations, and settings that contradict each other."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from registry_core.config import ConfigError, GcSettings, read_settings, table

from . import SECRET

VALID = {
    table.ACCOUNT_NAME: "account",
    table.CONTAINER: "registry",
    table.HTTP_SECRET: SECRET,
}


def gc(environment: dict[str, str]) -> GcSettings:
    return read_settings(VALID | environment).gc


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_settings(VALID | environment)
    return error.value.problems


def test_no_garbage_is_collected_unless_a_setting_says_so() -> None:
    assert not gc({}).enabled
    assert gc({table.GC_ENABLED: "true"}).enabled


def test_by_default_garbage_stays_for_two_days_and_untagged_manifests_for_ever() -> None:
    assert gc({}) == GcSettings(
        enabled=False,
        grace=timedelta(days=2),
        young=timedelta(days=1),
        untagged=None,
        shared=None,
        upload_age=timedelta(hours=168),
    )


def test_every_setting_is_read() -> None:
    assert gc(
        {
            table.GC_ENABLED: "yes",
            table.GC_GRACE: "1h",
            table.GC_YOUNG: "0",
            table.GC_UNTAGGED: "2w",
            table.GC_SHARED: "no",
            table.UPLOAD_AGE: "1h30m",
        }
    ) == GcSettings(
        enabled=True,
        grace=timedelta(hours=1),
        young=timedelta(),
        untagged=timedelta(weeks=2),
        shared=False,
        upload_age=timedelta(hours=1, minutes=30),
    )


@pytest.mark.parametrize(
    "change, problem",
    [
        ({table.GC_ENABLED: "daily"}, "REGISTRY_GC_ENABLED='daily' must be true or false"),
        ({table.GC_SHARED: "maybe"}, "REGISTRY_GC_SHARED='maybe' must be true or false"),
        ({table.GC_GRACE: "59m"}, "REGISTRY_GC_GRACE='59m' must be at least 1h"),
        ({table.GC_GRACE: "0"}, "REGISTRY_GC_GRACE='0' must be at least 1h"),
        ({table.UPLOAD_AGE: "5m"}, f"{table.UPLOAD_AGE}='5m' must be at least 1h"),
        (
            {table.GC_GRACE: "2 days"},
            "REGISTRY_GC_GRACE: '2 days' is not a duration, such as 12h, 14d or 2w",
        ),
        (
            {table.GC_YOUNG: "-1h"},
            "REGISTRY_GC_YOUNG: '-1h' is not a duration, such as 12h, 14d or 2w",
        ),
        (
            {table.GC_UNTAGGED: "401d"},
            "REGISTRY_GC_UNTAGGED='401d' must be at most 400d: earlier pulls are not known",
        ),
        (
            {table.GC_UNTAGGED: "9999w"},
            "REGISTRY_GC_UNTAGGED: '9999w' is more than a hundred years",
        ),
    ],
)
def test_a_bad_setting_is_one_line_that_says_what_would_be_right(
    change: dict[str, str], problem: str
) -> None:
    [found] = problems(change)
    assert found.startswith(problem)
    assert "\n" not in found


def test_a_registry_that_collects_garbage_can_be_made_read_only_by_one_setting() -> None:
    assert read_settings(VALID | {table.GC_ENABLED: "true", table.READ_ONLY: "true"}).read_only


def test_where_other_registries_write_no_manifest_is_let_go() -> None:
    rules = '[[expire]]\non = ["ci/**"]\ntags = ["*"]\nafter = "14d"\n'
    for name, value in ((table.GC_UNTAGGED, "14d"), (table.RETENTION_RULES, rules)):
        [problem] = problems({table.GC_SHARED: "true", name: value})
        assert problem == (
            f"{name} contradicts REGISTRY_GC_SHARED: no manifest is deleted while other registries "
            "write to the container; remove one of the two"
        )


def test_garbage_is_collected_whether_clients_may_delete_or_not() -> None:
    assert gc({table.GC_ENABLED: "true", table.DELETE_ENABLED: "false"}).enabled


@pytest.mark.parametrize("name", ["ENABLED", "INTERVAL", "DRYRUN"])
def test_other_settings_of_distribution_about_uploads_do_not_pass_for_misspelt_ones(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    setting = f"REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_{name}"
    with caplog.at_level(logging.WARNING):
        read_settings(VALID | {setting: "true"})
    assert f"Unknown setting {setting} is ignored" in caplog.text


@pytest.mark.parametrize(
    "settings, records",
    [
        ({}, False),
        ({table.PULLS_RECORD: "true"}, True),
        ({table.PULLS_RECORD: "true", table.READ_ONLY: "true"}, False),
        ({table.GC_UNTAGGED: "14d"}, True),
        ({table.GC_UNTAGGED: "14d", table.PULLS_RECORD: "false"}, False),
    ],
)
def test_pulls_are_recorded_where_something_depends_on_them_or_a_setting_says_so(
    settings: dict[str, str], *, records: bool
) -> None:
    assert read_settings(VALID | settings).record_pulls is records


def test_whether_pulls_are_recorded_is_true_or_false() -> None:
    [problem] = problems({table.PULLS_RECORD: "daily"})
    assert problem == "REGISTRY_PULLS_RECORD='daily' must be true or false"
