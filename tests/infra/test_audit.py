"""Who read a secret or wrote to storage is logged, and somebody notices when logs are cut off."""

from __future__ import annotations

import json
import logging
import re

import pytest
from starlette.requests import Request

from registry_core.server.audit import AuditRecord

from .snapshots import NAMES, Deployment, Resource, deployment

SETTING = "Microsoft.Insights/diagnosticSettings"
RULE = "Microsoft.Insights/scheduledQueryRules"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices"


def logged(deployed: Deployment, one: Resource) -> set[str]:
    """Return the categories of a resource that are sent to the workspace of the registry."""
    workspace = deployed.one("Microsoft.OperationalInsights/workspaces").id
    settings = [each.properties for each in deployed.all(SETTING) if each.scope == one.id]
    assert all(each["workspaceId"] == workspace for each in settings)
    return {log["category"] for each in settings for log in each["logs"] if log["enabled"]}


@pytest.mark.parametrize("name", NAMES)
def test_every_access_to_a_secret_is_logged(name: str) -> None:
    deployed = deployment(name)
    assert logged(deployed, deployed.one("Microsoft.KeyVault/vaults")) == {"AuditEvent"}


@pytest.mark.parametrize("name", NAMES)
def test_writes_and_deletions_in_new_accounts_are_logged(name: str) -> None:
    """Of images and of the package; reads are too many. `options` logs none."""
    deployed = deployment(name)
    expected = set() if name == "options" else {"StorageWrite", "StorageDelete"}
    services = deployed.all(BLOBS)
    assert len(services) == (1 if name.startswith("existing") else 2)
    assert [logged(deployed, one) for one in services] == [expected] * len(services)


def test_the_log_of_an_existing_account_is_left_to_its_operator() -> None:
    for name in ("existing-account", "existing-account-private-network"):
        scopes = [one.scope for one in deployment(name).all(SETTING)]
        assert [scope for scope in scopes if "existingaccount" in scope] == []


def test_the_alert_on_logins_finds_the_lines_that_the_registry_writes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those of logins that were denied, and no others."""
    record = AuditRecord()
    record.begin_login("alice")
    request = Request({"type": "http", "headers": [], "client": ("203.0.113.9", 443)})
    with caplog.at_level(logging.INFO, "registry_core.audit"):
        record.write(request, 401)
        record.write(request, 200)
    denied, allowed = caplog.messages
    (query,) = [
        rule.properties["criteria"]["allOf"][0]["query"]
        for rule in deployment("alerts").all(RULE)
        if rule.name.endswith("-logins")
    ]
    (start,) = re.findall(r"Message startswith '(.*)'", query)
    (skipped,) = re.findall(r"substring\(Message, (\d+)\)", query)
    conditions = re.findall(r"line\.(\w+) == '(\w+)'", query)
    assert len(conditions) == 2
    for line, found in ((denied, True), (allowed, False)):
        assert line.startswith(start)
        fields = json.loads(line[int(skipped) :])
        assert (fields.items() >= dict(conditions).items()) is found


@pytest.mark.parametrize("name, package", [("alerts", True), ("options", False)])
def test_alerts_on_cut_off_logs_and_on_a_written_package(name: str, *, package: bool) -> None:
    """On the package if writes to storage are logged."""
    queries = {
        rule.name.rpartition("-")[2]: rule.properties["criteria"]["allOf"][0]["query"]
        for rule in deployment(name).all(RULE)
    }
    assert "OverQuota" in queries["cap"]
    assert {"failures", "latency", "logins"} <= queries.keys()
    assert ("package" in queries) is package
    if package:
        (container,) = [
            one.name.rpartition("/")[2]
            for one in deployment(name).all(f"{BLOBS}/containers")
            if one.name.startswith("sthost")
        ]
        assert f"ObjectKey contains '/{container}/'" in queries["package"]
