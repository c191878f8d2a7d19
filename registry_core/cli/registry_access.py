"""How a command accesses a registry: login and TLS, from its options or a document."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..transfer.sync_document import RegistryAccess
from .options import boolean
from .storage_commands import MISCONFIGURED, CommandFailed

_MAX_PASSWORD_BYTES = 64 * 2**10  # tokens are used as passwords, too


@dataclass(frozen=True)
class UserLogin:
    """A user's name and password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class AccessOptions:
    """How a registry is accessed.

    Without a ``login`` the credentials come from docker's or podman's configuration, or, if
    ``anonymous``, there are none. ``ca`` is a file of certificates of authorities, ``cert_dir`` a
    folder as docker's ``certs.d/HOST``. ``token_host``: a host outside the registry's domain whose
    token service gets the login. ``parallel``: the most requests at a time.
    """

    login: UserLogin | None = None
    anonymous: bool = False
    tls_verify: bool = True
    ca: Path | None = None
    cert_dir: Path | None = None
    token_host: str = ""
    parallel: int | None = None


def add_access_options(parser: argparse.ArgumentParser, side: str, name: str) -> None:
    """Add the options of one side, ``src`` or ``dest``, as skopeo has them."""
    group = parser.add_argument_group(f"access to the {name}")
    login = group.add_mutually_exclusive_group()
    login.add_argument(
        f"--{side}-creds",
        metavar="USER[:PASSWORD]",
        help="instead of docker's configuration. Others can see a password on a command line: "
        "without it, it is read from the terminal",
    )
    login.add_argument(
        f"--{side}-no-creds", action="store_true", help="access the registry anonymously"
    )
    group.add_argument(
        f"--{side}-password-stdin",
        action="store_true",
        help=f"read the password of --{side}-creds from the first line of standard input",
    )
    group.add_argument(
        f"--{side}-tls-verify",
        type=boolean,
        default=True,
        metavar="BOOL",
        help="false: accept any certificate, and http",
    )
    group.add_argument(
        f"--{side}-ca",
        type=Path,
        metavar="FILE",
        help="trust the authorities whose certificates are in this file (PEM)",
    )
    group.add_argument(
        f"--{side}-cert-dir",
        type=Path,
        metavar="FOLDER",
        help="use *.crt (authorities), *.cert and *.key (the client's) in this folder",
    )
    group.add_argument(
        f"--{side}-token-host",
        default="",
        metavar="HOST",
        help="send the login to the token service on this host, although it is not of the "
        "registry's domain",
    )


def read_access(arguments: argparse.Namespace) -> tuple[AccessOptions, AccessOptions]:
    """Return the access to the source and to the target that the options describe.

    :raises CommandFailed: options contradict each other, or a password cannot be read.
    """
    if arguments.src_password_stdin and arguments.dest_password_stdin:
        raise _wrong("--src-password-stdin and --dest-password-stdin exclude each other")
    return _read_side(arguments, "src"), _read_side(arguments, "dest")


def access_of_document(access: RegistryAccess, environment: Mapping[str, str]) -> AccessOptions:
    """Return the access to a registry that a document describes.

    :raises CommandFailed: a variable or file that it names is missing.
    """
    return AccessOptions(
        login=_login_of_document(access, environment),
        tls_verify=access.tls_verify,
        ca=Path(access.ca) if access.ca else None,
        cert_dir=Path(access.cert_dir) if access.cert_dir else None,
        token_host=access.token_host,
        parallel=access.parallel,
    )


def _read_side(arguments: argparse.Namespace, side: str) -> AccessOptions:
    options = {
        name.removeprefix(f"{side}_"): value
        for name, value in vars(arguments).items()
        if name.startswith(f"{side}_")
    }
    return AccessOptions(
        login=_read_login(side, options["creds"], stdin=options["password_stdin"]),
        anonymous=options["no_creds"],
        tls_verify=options["tls_verify"],
        ca=options["ca"],
        cert_dir=options["cert_dir"],
        token_host=options["token_host"],
    )


def _read_login(side: str, creds: str | None, *, stdin: bool) -> UserLogin | None:
    if creds is None:
        if stdin:
            raise _wrong(f"--{side}-password-stdin needs --{side}-creds USER")
        return None
    username, colon, password = creds.partition(":")
    if not username:
        raise _wrong(f"--{side}-creds is USER:PASSWORD, or USER")
    if colon and stdin:
        raise _wrong(f"--{side}-creds has a password; leave out --{side}-password-stdin")
    if colon:
        return UserLogin(username, password)
    if not stdin and not sys.stdin.isatty():
        raise _wrong(f"--{side}-creds has no password; add --{side}-password-stdin")
    return UserLogin(
        username, _first_line() if stdin else getpass.getpass(f"Password of {username}: ")
    )


def _first_line() -> str:
    line = sys.stdin.buffer.readline(_MAX_PASSWORD_BYTES)
    return _decoded(line, "standard input")


def _login_of_document(access: RegistryAccess, environment: Mapping[str, str]) -> UserLogin | None:
    if access.password_env:
        if not environment.get(access.password_env):
            raise _wrong(
                f"the variable {access.password_env}, which has the password of "
                f"{access.username}, is not set"
            )
        return UserLogin(access.username, environment[access.password_env])
    if access.password_file:
        try:
            with Path(access.password_file).open("rb") as file:
                line = file.readline(_MAX_PASSWORD_BYTES)
        except OSError as error:
            raise _wrong(
                f"the password of {access.username} cannot be read: {access.password_file}: "
                f"{error.strerror}"
            ) from None
        return UserLogin(access.username, _decoded(line, access.password_file))
    return None


def _decoded(line: bytes, where: str) -> str:
    try:
        password = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise _wrong(f"the password in {where} is not UTF-8") from None
    if not password:
        raise _wrong(f"{where} has no password in its first line")
    return password


def _wrong(text: str) -> CommandFailed:
    return CommandFailed(text, MISCONFIGURED)
