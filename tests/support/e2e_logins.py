"""docker, podman, skopeo and ctr as clients of a registry that wants to know who they are.

Each keeps what it is told in a folder of the test: docker in its `config.json`, podman and skopeo
in the file that `REGISTRY_AUTH_FILE` names. ctr keeps nothing and is told each time.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.support.clients import program
from tests.support.e2e_clients import (
    CommandFailed,
    Ctr,
    Docker,
    ImageClient,
    Podman,
    Skopeo,
)

_SECONDS = 120


class Login(Protocol):
    """A client that can log in. All raise `CommandFailed` where it fails, with what it wrote."""

    @property
    def images(self) -> ImageClient:
        """What it pushes and pulls with: as who logged in last."""

    def log_in(self, registry: str, user: str, password: str) -> None:
        """Tell it who it is."""

    def log_out(self, registry: str) -> None:
        """Let it forget that."""


@dataclass
class AsksAtOnce:
    """docker, podman or skopeo: their `login` asks the registry."""

    images: ImageClient
    command: tuple[str, ...]
    plain_http: tuple[str, ...] = ("--tls-verify=false",)

    def log_in(self, registry: str, user: str, password: str) -> None:
        told = (f"--username={user}", "--password-stdin", *self.plain_http)
        run(*self.command, "login", *told, registry, text=password)

    def log_out(self, registry: str) -> None:
        run(*self.command, "logout", registry)


@dataclass
class ToldEachTime:
    """ctr: whether what it is told is right shows at the next push or pull."""

    images: Ctr

    def log_in(self, registry: str, user: str, password: str) -> None:
        self.images.user = f"{user}:{password}"

    def log_out(self, registry: str) -> None:
        self.images.user = ""


def docker(socket: str, folder: Path) -> Login:
    """docker, by the daemon at `socket`. It takes this machine's registries without TLS."""
    command = (program("docker"), f"--config={folder}/config", f"--host={socket}")
    return AsksAtOnce(Docker(socket, folder), command, plain_http=())


def podman(folder: Path) -> Login:
    """podman, with a store of its own."""
    store = (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")
    return AsksAtOnce(Podman(folder), (program("podman"), *store))


def skopeo(folder: Path) -> Login:
    """The command skopeo."""
    return AsksAtOnce(Skopeo(folder), (program("skopeo"),))


def ctr(socket: str, folder: Path) -> Login:
    """ctr, by the containerd at `socket`."""
    return ToldEachTime(Ctr(socket, folder))


def run(*command: str, text: str = "") -> str:
    """What a command writes, on both of its outputs; `text` is what it reads.

    :raises CommandFailed: it ends with anything but 0.
    """
    done = subprocess.run(
        command,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout
