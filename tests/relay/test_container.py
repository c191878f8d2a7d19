"""The relay's container file, and the workflow that uses the container."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from registry_core.cli.relay import URL
from tests.support.eventually import until
from tests.support.host import PROJECT

CONTAINER_FILE = PROJECT / "contrib/relay/Containerfile"
WORKFLOW = PROJECT / "contrib/relay/github-actions.yml"


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return each instruction with its arguments, of all stages."""
    parser = DockerfileParser(fileobj=io.BytesIO(path.read_bytes()))
    return [(each["instruction"], each["value"]) for each in parser.structure]


def last_stage() -> dict[str, str]:
    found = instructions(CONTAINER_FILE)
    start = [name for name, _ in found][::-1].index("FROM")
    return dict(found[-start:])


def test_it_is_built_as_the_registrys_image() -> None:
    """From the package, with hashes for all that is downloaded."""
    built, registrys = (
        [each for each in instructions(path) if each[0] in ("ARG", "FROM", "RUN", "COPY")]
        for path in (CONTAINER_FILE, PROJECT / "Containerfile")
    )
    assert built == registrys


def test_it_does_not_run_as_root() -> None:
    user, _, group = last_stage()["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0


@pytest.mark.hosts
def test_its_command_relays_to_the_registry_of_the_environment(tmp_path: Path) -> None:
    """On the port that the image exposes, but for this test, and until SIGTERM."""
    image = last_stage()
    program, *arguments = json.loads(image["ENTRYPOINT"])
    assert arguments[-2:] == ["--port", image["EXPOSE"]]
    assert image["EXPOSE"] in json.loads(image["HEALTHCHECK"].partition("CMD ")[2])[2]
    command = [str(Path(sys.executable).parent / "python"), "-m", "registry_core"]
    assert program == "moorage"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments[:-1], "0"],
            cwd=PROJECT,
            env={URL: "http://127.0.0.1:1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: "relay ready" in log.read_text())
        url = re.findall(r"relay ready at (\S+)", log.read_text())[0]
        answer = httpx.get(f"{url}/v2/", trust_env=False)
        assert (answer.status_code, "http://127.0.0.1:1" in answer.text) == (503, True)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def workflow() -> Any:
    return yaml.safe_load(WORKFLOW.read_text())


def test_the_workflow_starts_the_relay_and_pushes_to_it() -> None:
    """By the variable and the port that the relay has, published on loopback alone."""
    (job,) = workflow()["jobs"].values()
    relay = job["services"]["relay"]
    assert [*relay["env"]] == [URL]
    assert relay["ports"] == [f"127.0.0.1:5001:{last_stage()['EXPOSE']}"]
    assert job["env"]["IMAGE"].startswith("127.0.0.1:5001/")


def test_the_workflow_can_log_in_without_a_secret() -> None:
    assert workflow()["permissions"] == {"contents": "read", "id-token": "write"}
    assert "secrets." not in WORKFLOW.read_text()


def test_the_workflows_scripts_are_valid_and_its_actions_pinned() -> None:
    (job,) = workflow()["jobs"].values()
    for step in job["steps"]:
        script = step.get("run", "")
        read = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (read.returncode, read.stderr) == (0, ""), script
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"a@{'0' * 40}"))
