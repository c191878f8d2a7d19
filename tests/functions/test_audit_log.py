"""The audit log under Microsoft's runtime: the line has the client's address, not the host's."""

from __future__ import annotations

import json
import re

import httpx

from registry_core.server.audit import PREFIX
from registry_core.spec.digest import Digest
from tests.support.eventually import until
from tests.support.host import RunningHost

CONTENT = b"a blob for the audit log"
LINE = re.compile(rf"{PREFIX}(\{{.*{Digest.of(CONTENT).hex}.*\}})")


def test_a_push_is_on_record_when_it_is_answered(host: RunningHost, registry: httpx.Client) -> None:
    url = f"/v2/team/audited/blobs/uploads/?digest={Digest.of(CONTENT)}"
    headers = {"X-Forwarded-For": "198.51.100.7", "User-Agent": "docker/29.0"}
    assert registry.post(url, content=CONTENT, headers=headers).status_code == 201
    until(lambda: LINE.search(host.log()) is not None)
    [line] = LINE.findall(host.log())
    written = json.loads(line)
    assert written == {
        "action": "push_blob",
        "outcome": "success",
        "status": 201,
        "kind": "anonymous",
        "address": "127.0.0.1",
        "repository": "team/audited",
        "digest": str(Digest.of(CONTENT)),
        "agent": "docker/29.0",
    }
