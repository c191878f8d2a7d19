"""Garbage is collected while clients push: nothing acknowledged is lost, and all garbage goes."""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.e2e.clients import Docker, ImageClient, Skopeo
from tests.e2e.soak.collector import Graces
from tests.e2e.soak.ledger import Holding
from tests.e2e.soak.pool import make_images
from tests.e2e.soak.processes import Collector, instances
from tests.e2e.soak.run import RULES, Plan, settings, soak
from tests.e2e.soak.wire import Lost, Push, Wire
from tests.support.eventually import until

PLANS = [
    Plan(seconds=60),
    pytest.param(Plan(seconds=600, grace=30, seed=2), marks=pytest.mark.nightly),
]


@pytest.fixture
def clients(docker_socket: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageClient]:
    """Return the real clients of a soak."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("docker", "skopeo0", "skopeo1")}
    return {
        name: Docker(docker_socket, folder) if name == "docker" else Skopeo(folder)
        for name, folder in folders.items()
    }


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.seconds}s")
def test_nothing_acknowledged_is_lost_and_all_garbage_goes_while_clients_push(  # noqa: PLR0917
    azurite: Azurite,
    container_name: str,
    clients: dict[str, ImageClient],
    plan: Plan,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Eight clients, two instances, and a collector that is killed at random moments."""
    report = soak(azurite, container_name, clients, tmp_path, plan)
    with capsys.disabled():
        sys.stdout.write(f"\n{plan.seconds} seconds, grace {plan.grace} s\n{report}\n")
    for what in ("condemned", "pardoned by writers", "deleted by the collector", "kills", "mounts"):
        assert report.counts[what] > 0


@pytest.mark.parametrize("blind", [False, True], ids=["observes", "does-not-observe"])
def test_a_push_that_meets_a_sweep_keeps_what_it_relies_on(
    azurite: Azurite, container_name: str, tmp_path: Path, *, blind: bool
) -> None:
    """A registry that takes no mark off loses the image, and that is noticed."""
    hold = tmp_path / "hold"
    environment = settings(azurite, container_name) | {"REGISTRY_DELETE_RETENTION": "0"}
    graces = Graces(grace=4, young=0, uploads=60, trash=0, rules=RULES)
    [image, *_] = make_images(seed=9)
    push = Push(image.manifest(), image.blobs)
    holding = Holding("pushed/again", keeps_untagged=True)
    with ExitStack() as stack:
        hosts = stack.enter_context(instances(environment, relied_on=2, blind=blind))
        authorities = [f"127.0.0.1:{host.port}" for host in hosts]
        wire = stack.enter_context(Wire(authorities, random.Random(0), asks=1.0))
        wire.push(holding, [push], "v1")
        wire.delete_manifest(holding, str(Digest.of(push.manifest)))
        hold.mkdir()
        environment["SOAK_HOLD"] = str(hold)
        with Collector(environment, graces, tmp_path / "collector.log") as collector:
            until(lambda: collector.acts()["held"] > 0)
            wire.push(holding, [push], "v1")
            hold.rmdir()
            runs = collector.acts()["run"]
            until(lambda: collector.acts()["run"] > runs)
        with pytest.raises(Lost) if blind else nullcontext():
            wire.pull(holding.repository, "v1", holding.tags["v1"])
