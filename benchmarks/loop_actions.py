"""What may hold an event loop: requests that are large, or many at once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from registry_core.storage.layout import Layout

from .auth import basic
from .connection import Connection, Unexpected
from .content import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Content, new_content, new_image
from .loop_hosts import PASSWORD, Hosts, LoopHost, Scale, user_name
from .registry_client import RegistryClient
from .scale import KIB, MIB, size_text
from .storage import BareStorage

REPOSITORY = "benchmark/loop"
_TAGS = f"{REPOSITORY}-tags"
_EMPTY = new_content(KIB)


@dataclass(frozen=True)
class Action:
    """Something to measure. ``prepare`` returns it for a process and the number of a round."""

    name: str
    prepare: Callable[[LoopHost, int], Callable[[], object]]
    ruled: bool = False
    """Whether it concerns the process with access rules."""

    def host(self, hosts: Hosts) -> LoopHost:
        """Return the process that is measured."""
        return hosts.ruled if self.ruled else hosts.open


def actions(scale: Scale) -> Sequence[Action]:
    """Return all actions at a scale."""
    layers = f"{scale.layers} layers of {size_text(scale.layer)}"
    rules = f"{size_text(scale.rules)} of rules"
    manifest = f"{scale.manifest / MIB:.1f} MiB manifest"
    each = f"first requests of {scale.users} users"
    return [
        Action("idle", lambda _, __: partial(time.sleep, scale.idle_seconds)),
        Action(
            f"{scale.tags} tags in one answer",
            lambda host, _: partial(_list_tags, host.url, "", scale.tags),
        ),
        Action(
            f"{scale.tags} tags, page by page",
            lambda host, _: partial(_list_tags, host.url, f"?n={scale.tags}", scale.tags),
        ),
        Action(
            f"push of a {manifest} of annotations",
            lambda host, number: _push(host, _annotated(scale.manifest), number),
        ),
        Action(
            f"push of a {manifest} of layers",
            lambda host, number: _push(host, _layered(scale.manifest), number),
        ),
        Action(f"{rules} are read", lambda host, _: partial(host.command, "settings"), ruled=True),
        Action(f"{rules}, {each}", partial(_as_new_users, scale), ruled=True),
        Action(f"{layers} in and as many out", partial(_streams, scale)),
    ]


def put_tags(storage: BareStorage, scale: Scale) -> None:
    """Write the links of the tags that are listed, as a push does."""
    layout = Layout()
    image = new_image()
    metadata = {"digest": image.digest, "mediatype": MANIFEST_TYPE, "size": "400"}
    paths = (layout.tag_link(_TAGS, f"v1.{n}") for n in range(scale.tags))
    storage.put_all((path, image.digest.encode(), metadata) for path in paths)


def _list_tags(url: str, query: str, expected: int) -> None:
    """Follow the links of a listing. :raises Unexpected: it has another number of tags."""
    target, found = f"/v2/{_TAGS}/tags/list{query}", 0
    with Connection(url) as connection:
        while target:
            answer = connection.request("GET", target, expect=[200])
            found += answer.body.count(b'"v1.')
            target = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    if found != expected:
        raise Unexpected(f"listed {found} tags of {expected}")


def _push(host: LoopHost, body: bytes, number: int) -> Callable[[], object]:
    with RegistryClient(host.url, REPOSITORY) as client:
        client.push_by_put(_EMPTY)
    return partial(_push_manifest, host.url, body, f"v{number}")


def _push_manifest(url: str, body: bytes, tag: str) -> None:
    target = f"/v2/{REPOSITORY}/manifests/{tag}"
    with Connection(url) as connection:
        connection.request(
            "PUT", target, body=body, headers={"Content-Type": MANIFEST_TYPE}, expect=[201]
        )


def _annotated(size: int) -> bytes:
    pairs = {f"org.example.{n:07}": os.urandom(16).hex() for n in range((size - KIB) // 60)}
    return _manifest([_EMPTY], pairs)


def _layered(size: int) -> bytes:
    one = len(json.dumps(_descriptor(_EMPTY, LAYER_TYPE))) + 2
    return _manifest([_EMPTY] * ((size - KIB) // one), {"org.example": os.urandom(16).hex()})


def _manifest(layers: Sequence[Content], annotations: Mapping[str, str]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(_EMPTY, CONFIG_TYPE),
        "layers": [_descriptor(layer, LAYER_TYPE) for layer in layers],
        "annotations": annotations,
    }
    return json.dumps(document).encode()


def _descriptor(content: Content, media_type: str) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": content.digest, "size": content.size}


def _as_new_users(scale: Scale, host: LoopHost, number: int) -> Callable[[], object]:
    users = [user_name(number * scale.users + each) for each in range(scale.users)]
    return partial(_request_as, host.url, users)


def _request_as(url: str, users: Sequence[str]) -> None:
    with Connection(url) as connection:
        for user in users:
            headers = {"Authorization": basic(user, PASSWORD)}
            connection.request("GET", "/v2/team-1/x/tags/list", headers=headers, expect=[404])


def _streams(scale: Scale, host: LoopHost, _number: int) -> Callable[[], object]:
    pushed = [new_content(scale.layer) for _ in range(scale.layers)]
    pulled = new_content(scale.layer)
    with RegistryClient(host.url, REPOSITORY) as client:
        client.push_by_put(pulled)

    def push(content: Content) -> None:
        with RegistryClient(host.url, REPOSITORY) as client:
            client.push_by_patch(content)

    def pull(_content: Content) -> None:
        with RegistryClient(host.url, REPOSITORY) as client:
            client.pull_blob(pulled)

    def stream() -> None:
        with ThreadPoolExecutor(2 * scale.layers) as pool:
            tasks = [pool.submit(way, each) for each in pushed for way in (push, pull)]
            for task in tasks:
                task.result()

    return stream
