"""Request bodies fit the memory of an instance, and networks can be kept out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.house.tree import PROJECT
from tests.support.bicep import bicep

from .snapshots import CONTEXT, SETTINGS, deployment

SITE = "Microsoft.Web/sites"
MIB = 2**20

# As docs/infrastructure.md has them, under Memory: what a body with a length takes in the
# Functions host, in multiples of its size, and what host and registry take without any, in MiB.
FACTOR = 2.7
BASE = 900

Deploy = Callable[[Mapping[str, object]], tuple[dict[str, Any], str]]


@pytest.fixture
def deploy(templates: Path) -> Deploy:
    """Predict the app of the default setting with other parameters: its resource, or an error."""

    def predicted(parameters: Mapping[str, object]) -> tuple[dict[str, Any], str]:
        folder = templates / SETTINGS.relative_to(PROJECT)
        lines = [f"param {name} = {literal(value)}" for name, value in parameters.items()]
        text = (folder / "default.bicepparam").read_text()
        (folder / "changed.bicepparam").write_text("\n".join([text, *lines, ""]))
        arguments = ("snapshot", str(folder / "changed.bicepparam"), "--mode", "overwrite")
        ran = bicep(*arguments, *CONTEXT)
        if ran.returncode:
            return {}, ran.stdout + ran.stderr
        resources = json.loads((folder / "changed.snapshot.json").read_text())["predictedResources"]
        [site] = [one for one in resources if one["type"] == SITE]
        return site["properties"], ""

    return predicted


def literal(value: object) -> str:
    """Return a value as Bicep writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name}: {literal(one)}' for name, one in value.items())} }}"
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


@pytest.mark.parametrize(
    "memory, limit", [(512, 64 * MIB), (2048, 100 * MIB), (2048, 1024 * MIB), (4096, 256 * MIB)]
)
def test_a_deployment_is_refused_whose_bodies_exceed_the_memory(
    memory: int, limit: int, deploy: Deploy
) -> None:
    """The largest number of concurrent requests that fits is accepted, and no more."""
    most = int(max(0, memory - BASE) * MIB / (limit * FACTOR))
    parameters = {"instanceMemoryMB": memory, "requestBodyLimitBytes": limit}
    if most:
        site, error = deploy(parameters | {"perInstanceConcurrency": most})
        assert error == ""
        scale = site["functionAppConfig"]["scaleAndConcurrency"]
        assert scale["triggers"]["http"]["perInstanceConcurrency"] == most
    _, error = deploy(parameters | {"perInstanceConcurrency": most + 1})
    assert f"With this limit, up to {most} concurrent requests fit." in error


def test_the_default_limit_is_the_largest_that_the_default_concurrency_allows() -> None:
    settings, site = deployment().app_settings(), deployment().one(SITE).properties
    limit = int(settings["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])
    scale = site["functionAppConfig"]["scaleAndConcurrency"]
    concurrency = scale["triggers"]["http"]["perInstanceConcurrency"]
    available = (scale["instanceMemoryMB"] - BASE) * MIB
    assert limit * concurrency * FACTOR <= available < (limit + 10 * MIB) * concurrency * FACTOR


def test_the_documented_commands_set_the_same_limit_and_concurrency() -> None:
    commands = (PROJECT / "docs/deploy.md").read_text()
    limit = deployment().app_settings()["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]
    scale = deployment().one(SITE).properties["functionAppConfig"]["scaleAndConcurrency"]
    concurrency = str(scale["triggers"]["http"]["perInstanceConcurrency"])
    assert re.findall(r"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=(\d+)", commands) == [limit]
    assert re.findall(r"perInstanceConcurrency=(\d+)", commands) == [concurrency]


def test_the_check_can_be_overridden() -> None:
    """As `options` does."""
    settings = deployment("options").app_settings()
    assert settings["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"] == str(2**31)


def test_the_limit_cannot_be_set_past_the_check(deploy: Deploy) -> None:
    _, error = deploy({"registrySettings": {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "9999999999"}})
    assert "Set requestBodyLimitBytes instead" in error


def test_the_document_has_the_measured_numbers() -> None:
    document = (PROJECT / "docs/infrastructure.md").read_text()
    section = document.partition("\n## Memory\n")[2].partition("\n## ")[0]
    assert re.search(rf"\b{FACTOR} times\b", section)
    assert re.search(rf"\b{BASE} MB\b", section)
    rows = re.findall(r"(?m)^\| (\d+) MiB \| (\d+) \| (\d+) \|$", section)
    assert len(rows) == 5
    for limit, *fitting in rows:
        for memory, count in zip((2048, 4096), fitting, strict=True):
            assert int(count) == int((memory - BASE) / (int(limit) * FACTOR))


def test_by_default_every_network_may_send_requests_and_publish() -> None:
    site = deployment().one(SITE).properties["siteConfig"]
    for prefix in ("ip", "scmIp"):
        assert site[f"{prefix}SecurityRestrictions"] == []
        assert site[f"{prefix}SecurityRestrictionsDefaultAction"] == "Allow"


def test_other_networks_are_refused_where_some_are_named() -> None:
    """Publishing is restricted independently."""
    site = deployment("options").one(SITE).properties["siteConfig"]
    allowed = {
        "ip": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"],
        "scmIp": ["203.0.113.0/28"],
    }
    for prefix, networks in allowed.items():
        rules = site[f"{prefix}SecurityRestrictions"]
        assert [rule["ipAddress"] for rule in rules] == networks
        assert {rule["action"] for rule in rules} == {"Allow"}
        assert len({rule["priority"] for rule in rules}) == len(rules)
        assert site[f"{prefix}SecurityRestrictionsDefaultAction"] == "Deny"
    assert site["scmIpSecurityRestrictionsUseMain"] is False


@pytest.mark.parametrize(
    "parameter, network, message",
    [
        # parseCidr would take an address alone for a network of its class.
        ("allowedNetworks", "192.0.2.7", "write 192.0.2.7/32"),
        ("allowedNetworks", "192.0.2.0/33", "192.0.2.0/33"),
        ("allowedPublishingNetworks", "office/24", "office/24"),
    ],
)
def test_what_is_not_a_network_is_refused(
    parameter: str, network: str, message: str, deploy: Deploy
) -> None:
    _, error = deploy({parameter: [network]})
    assert message in error
