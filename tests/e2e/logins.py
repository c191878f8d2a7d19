"""docker, podman, skopeo and ctr as clients that log in.

docker stores credentials in its `config.json`, podman and skopeo in the file that
`REGISTRY_AUTH_FILE` names; both are in a folder of the test. ctr stores none: each command gets
them.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.e2e.clients import CommandFailed, Ctr, Docker, ImageClient, Podman, Skopeo
from tests.support.programs import program

_SECONDS = 120


class LoginClient(Protocol):
    """A client that can log in. All methods raise `CommandFailed` with the client's output."""

    @property
    def images(self) -> ImageClient:
        """Pushes and pulls with the credentials of the last login."""

    def log_in(self, registry: str, user: str, password: str) -> None:
        """Log in to a registry."""

    def log_out(self, registry: str) -> None:
        """Remove the credentials."""


@dataclass
class StoringClient:
    """docker, podman or skopeo: their `login` command verifies and stores credentials."""

    images: ImageClient
    command: tuple[str, ...]
    plain_http: tuple[str, ...] = ("--tls-verify=false",)

    def log_in(self, registry: str, user: str, password: str) -> None:
        options = (f"--username={user}", "--password-stdin", *self.plain_http)
        run(*self.command, "login", *options, registry, text=password)

    def log_out(self, registry: str) -> None:
        run(*self.command, "logout", registry)


@dataclass
class StatelessClient:
    """ctr: wrong credentials show at the next push or pull."""

    images: Ctr

    def log_in(self, registry: str, user: str, password: str) -> None:
        self.images.user = f"{user}:{password}"

    def log_out(self, registry: str) -> None:
        self.images.user = ""


def docker(socket: str, folder: Path) -> LoginClient:
    """Return docker with the daemon at `socket`, which allows loopback registries without TLS."""
    command = (program("docker"), f"--config={folder}/config", f"--host={socket}")
    return StoringClient(Docker(socket, folder), command, plain_http=())


def podman(folder: Path) -> LoginClient:
    """Return podman with a store of its own."""
    store = (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")
    return StoringClient(Podman(folder), (program("podman"), *store))


def skopeo(folder: Path) -> LoginClient:
    """Return skopeo."""
    return StoringClient(Skopeo(folder), (program("skopeo"),))


def ctr(socket: str, folder: Path) -> LoginClient:
    """Return ctr with the containerd at `socket`."""
    return StatelessClient(Ctr(socket, folder))


def run(*command: str, text: str = "") -> str:
    """Run a command with `text` as its input; return what it writes to stdout and stderr.

    :raises CommandFailed: when it exits with anything but 0.
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
