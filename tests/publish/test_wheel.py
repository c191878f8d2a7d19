"""The wheel holds the whole package, and works in an environment that has nothing else."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.e2e.clients import Docker
from tests.e2e.daemons import dockerd
from tests.e2e.images import noise_image
from tests.house.tree import PROJECT, tracked
from tests.support.azurite import create_container
from tests.support.host import RunningHost
from tests.test_library_page import EXAMPLES

from .serving import start

pytestmark = pytest.mark.timeout(1200)  # the first tests install packages

FIVE_LINES = EXAMPLES[0][1]

_LISTENING = re.compile(r"Uvicorn running on (http://\S+)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built offline."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    _pip(sys.executable, "wheel", *options, "--wheel-dir", folder, PROJECT)
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, without extras, and uvicorn."""
    return _environment(tmp_path_factory.mktemp("plain"), wheel, "uvicorn")


@pytest.fixture(scope="module")
def complete(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and all extras."""
    return _environment(tmp_path_factory.mktemp("complete"), f"{wheel}[serve]")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {path.as_posix() for path in tracked("registry_core")}
    assert "registry_core/py.typed" in names


def test_five_lines_serve_a_registry(plain: Path, tmp_path: Path) -> None:
    """Exactly the lines of docs/library.md, without any extra."""
    with _five_lines(plain, tmp_path) as host:
        _push_and_pull(host.url)


def test_docker_pushes_to_the_five_lines_and_pulls_from_them(plain: Path, tmp_path: Path) -> None:
    image = noise_image(tmp_path / "image", 1 << 20, 4 << 20)
    with dockerd() as socket, _five_lines(plain, tmp_path) as host:
        docker = Docker(socket, tmp_path)
        reference = f"{host.url.removeprefix('http://')}/hello:v1"
        digest = docker.push(image, reference)
        pulled = docker.pull(reference)
    assert (pulled.digest, pulled.identity) == (digest, image.identity)


def test_the_environment_configures_a_registry(
    complete: Path, azurite: Azurite, tmp_path: Path
) -> None:
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret of the tests, and of nobody else",
    }
    factory = ("--factory", "registry_core:asgi_from_environment")
    with _uvicorn(complete, *factory, folder=tmp_path, environment=settings) as host:
        _push_and_pull(host.url)


def test_the_console_script_runs(complete: Path, tmp_path: Path) -> None:
    command = [str(complete.with_name("moorage")), "auth", "token-key"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "BEGIN PRIVATE KEY" in done.stdout


def test_the_types_are_those_of_the_package(plain: Path, tmp_path: Path) -> None:
    """A type checker that sees only the installed wheel accepts the example, and finds mistakes."""
    (tmp_path / "right.py").write_text(FIVE_LINES)
    (tmp_path / "wrong.py").write_text(FIVE_LINES.replace("secret=", "secrets="))
    command = [sys.executable, "-m", "mypy", "--strict", f"--python-executable={plain}"]
    for name, code in (("right.py", 0), ("wrong.py", 1)):
        checked = subprocess.run(
            [*command, name], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert checked.returncode == code, checked.stdout


@contextmanager
def _five_lines(python: Path, folder: Path) -> Iterator[RunningHost]:
    (folder / "registry.py").write_text(FIVE_LINES)
    with _uvicorn(python, "registry:app", folder=folder, environment={}) as host:
        yield host


@contextmanager
def _uvicorn(
    python: Path, *application: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[RunningHost]:
    """Run uvicorn on a free port, and stop it as Ctrl-C does."""
    command = [str(python.with_name("uvicorn")), "--port", "0", *application]
    with start(command, cwd=folder, environment=environment, ready=_LISTENING) as host:
        yield host
        host.send(signal.SIGINT)
        assert host.wait() == 0


def _push_and_pull(url: str) -> None:
    content = b"a layer, or so"
    blobs = f"{url}/v2/hello/blobs"
    answer = httpx.post(f"{blobs}/uploads/?digest={Digest.of(content)}", content=content)
    assert answer.status_code == 201
    blob = httpx.get(f"{blobs}/{Digest.of(content)}", follow_redirects=True)
    assert (blob.status_code, blob.content) == (200, content)


def _environment(folder: Path, *packages: str | Path) -> Path:
    """Make a virtual environment with these packages, and return its Python.

    The versions are those of requirements-dev.txt, without its hashes: the wheel has none.
    """
    constraints = folder / "constraints.txt"
    text = (PROJECT / "requirements-dev.txt").read_text()
    constraints.write_text("\n".join(re.findall(r"(?m)^[a-z][^\\\n]*", text)))
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    _pip(
        python,
        "install",
        "--quiet",
        "--no-compile",
        "--constraint",
        constraints,
        *packages,
    )
    return python


def _pip(python: str | Path, *arguments: str | Path) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=900)
