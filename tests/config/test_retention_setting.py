"""``REGISTRY_RETENTION_RULES``: problems stop the start, warnings are logged."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_core.config import ConfigError, read_settings, read_storage_settings

STORAGE = {
    "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "account",
}
ENVIRONMENT = {**STORAGE, "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough"}
RULES = """\
[[expire]]
on = ["ci/**"]
tags = ["pr-*"]
after = "14d"
"""


def test_without_rules_there_is_no_policy() -> None:
    assert read_settings(ENVIRONMENT).gc.retention is None


def test_rules_are_given_by_path_or_as_text(tmp_path: Path) -> None:
    file = tmp_path / "retention.toml"
    file.write_text(RULES)
    for value in (RULES, str(file)):
        policy = read_settings({**ENVIRONMENT, "REGISTRY_RETENTION_RULES": value}).gc.retention
        assert policy is not None
        assert [rule.text for rule in policy.expires] == ["[[expire]] at line 1: after 14d"]


def test_commands_on_storage_have_the_rules_as_well() -> None:
    settings = read_storage_settings({**STORAGE, "REGISTRY_RETENTION_RULES": RULES})
    assert settings.gc.retention is not None


def test_mistakes_stop_the_start_each_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "retention.toml"
    file.write_text(RULES.replace("after", "afer").replace("pr-*", "a/b"))
    with pytest.raises(ConfigError) as error:
        read_settings({**ENVIRONMENT, "REGISTRY_RETENTION_RULES": str(file)})
    assert error.value.problems == [
        f'REGISTRY_RETENTION_RULES: {file}:1: the expire lacks after, such as after = "14d"',
        f"REGISTRY_RETENTION_RULES: {file}:3: 'a/b' is not a glob of tags, such as v* or pr-?",
        f'REGISTRY_RETENTION_RULES: {file}:4: unknown key "afer" in expire; did you mean "after"?',
    ]


def test_a_file_that_is_missing_stops_the_start() -> None:
    with pytest.raises(ConfigError) as error:
        read_settings({**ENVIRONMENT, "REGISTRY_RETENTION_RULES": "missing.toml"})
    [problem] = error.value.problems
    assert problem.startswith("REGISTRY_RETENTION_RULES='missing.toml' cannot be read as a file")


PULLED = '[[keep]]\non = ["**"]\npulled = "90d"\n'
UNTAGGED = RULES.replace('tags = ["pr-*"]', "untagged = true")


@pytest.mark.parametrize("rules, records", [(RULES, False), (PULLED, True), (UNTAGGED, True)])
def test_pulls_are_recorded_where_a_rule_depends_on_them(rules: str, *, records: bool) -> None:
    settings = read_settings({**ENVIRONMENT, "REGISTRY_RETENTION_RULES": rules})
    assert settings.record_pulls is records


def test_a_rule_about_pulls_needs_the_record_of_them() -> None:
    unrecorded = {**ENVIRONMENT, "REGISTRY_PULLS_RECORD": "false"}
    assert not read_settings({**unrecorded, "REGISTRY_RETENTION_RULES": UNTAGGED}).record_pulls
    with pytest.raises(ConfigError) as error:
        read_settings({**unrecorded, "REGISTRY_RETENTION_RULES": PULLED})
    [problem] = error.value.problems
    assert problem == (
        "REGISTRY_PULLS_RECORD contradicts REGISTRY_RETENTION_RULES: a rule keeps what was pulled, "
        "which nobody knows without a record; remove REGISTRY_PULLS_RECORD, or that rule"
    )


def test_a_redundant_rule_is_logged_and_the_registry_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = RULES + RULES.replace("14d", "15d")
    assert read_settings({**ENVIRONMENT, "REGISTRY_RETENTION_RULES": rules}).gc.retention
    [message] = caplog.messages
    assert message.startswith(
        "REGISTRY_RETENTION_RULES: REGISTRY_RETENTION_RULES:5: the rule is redundant"
    )
