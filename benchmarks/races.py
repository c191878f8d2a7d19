"""`python -m benchmarks.races`: the races of `tests/races/`, each for a minute, and what was seen.

Azurite and two hosts on it are started for it; nothing else is measured meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from registry_core.serve.azurite import Azurite, AzuriteError
from tests.races.append_starts import write_tags
from tests.races.blobs import SameBlob
from tests.races.hosts import clients_of, two_hosts
from tests.races.race import Race
from tests.races.tags import Deleted, Moved, Replaced, SetOnce
from tests.support.azure_answers import AzureAnswers
from tests.support.azurite import create_container

from .scale import MIB

_TAGS_PER_SECOND = 8
"""More append blobs than can be replaced."""


@dataclass(frozen=True)
class Scene:
    """Where races are run."""

    azurite: Azurite
    container: str
    hosts: list[httpx.AsyncClient]
    seconds: float


async def moved(scene: Scene) -> Race:
    race = Moved(scene.hosts, scene.seconds)
    await race.race()
    return race


async def replaced(scene: Scene) -> Race:
    azure = AzureAnswers(scene.azurite)
    with azure, two_hosts(azure.connection_string, scene.container) as urls:
        async with clients_of(urls) as hosts:
            race = Replaced(hosts, scene.seconds)
            await race.push_blobs()
            number = 1 + int(scene.seconds * _TAGS_PER_SECOND)
            await race.race_for(await write_tags(race, scene.azurite, scene.container, number))
            return race


async def deleted(scene: Scene) -> Race:
    race = Deleted(scene.hosts, scene.seconds)
    await race.race()
    return race


async def set_once(scene: Scene) -> Race:
    race = SetOnce(scene.hosts, scene.seconds)
    await race.race()
    return race


async def small_blob(scene: Scene) -> Race:
    race = SameBlob(scene.hosts, scene.seconds, 1000)
    await race.race()
    return race


async def large_blob(scene: Scene) -> Race:
    race = SameBlob(scene.hosts, scene.seconds, 20 * MIB)
    await race.race()
    return race


RACES: dict[str, Callable[[Scene], Awaitable[Race]]] = {
    "moved": moved,
    "replaced": replaced,
    "deleted": deleted,
    "set-once": set_once,
    "small-blob": small_blob,
    "large-blob": large_blob,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Race and print. Returns 1 when anything was seen that should never be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.races", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each race; 60 by default")
    parser.add_argument("--only", choices=RACES, help="this race alone")
    given = parser.parse_args(arguments)
    names = [given.only] if given.only else [*RACES]
    try:
        with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder)) as azurite:
            return asyncio.run(_run(azurite, names, given.seconds))
    except AzuriteError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1


async def _run(azurite: Azurite, names: Sequence[str], seconds: float) -> int:
    container, failed = create_container(azurite), 0
    with two_hosts(azurite.connection_string, container) as urls:
        async with clients_of(urls) as hosts:
            for name in names:
                started = time.monotonic()
                race = await RACES[name](Scene(azurite, container, hosts, seconds))
                try:
                    told = race.verdict()
                except AssertionError as fault:
                    told, failed = str(fault), 1
                print(f"{name}, {time.monotonic() - started:.0f} s: {told}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
