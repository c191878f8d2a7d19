"""``REGISTRY_AUTH_RULES``: problems stop the start, warnings are logged."""

from __future__ import annotations

import pytest

from registry_core.config import ConfigError, read_settings

ENVIRONMENT = {
    "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "account",
    "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
    "REGISTRY_AUTH": "htpasswd",
    "REGISTRY_AUTH_HTPASSWD_PATH": "alice:$2y$05$" + "a" * 21 + "." + "b" * 31,
}
RULE = '[[rule]]\nwho = ["everyone"]\nmay = ["pull"]\non = ["**"]\n'


def test_a_redundant_rule_is_logged_and_the_registry_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = read_settings({**ENVIRONMENT, "REGISTRY_AUTH_RULES": RULE + RULE})
    assert settings.auth.rules is not None
    [message] = caplog.messages
    assert message.startswith("REGISTRY_AUTH_RULES: REGISTRY_AUTH_RULES:5: the rule is redundant")


def test_a_mistake_stops_the_start() -> None:
    with pytest.raises(ConfigError) as error:
        read_settings({**ENVIRONMENT, "REGISTRY_AUTH_RULES": RULE.replace("pull", "pul")})
    [problem] = error.value.problems
    assert problem.startswith("REGISTRY_AUTH_RULES: REGISTRY_AUTH_RULES:3: unknown action")
