"""Programs that keep logins: ``docker-credential-NAME``.

Source: github.com/docker/docker-credential-helpers, "Development": the server is written to the
standard input of ``docker-credential-NAME get``, which answers with a JSON object.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from .credentials import Basic, CredentialsUnusable, IdentityToken, Login
from .errors import one_line

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDENTITY_TOKEN_NAME = "<token>"  # noqa: S105 - the protocol's marker
_NOT_FOUND = "credentials not found"
TIME_LIMIT = 60.0
"""Seconds: a helper may have to ask the user."""
_MAX_ANSWER = 2**20


@dataclass(frozen=True)
class Helper:
    """A helper by its name. ``where``: what configures it, for messages."""

    name: str
    where: str

    @classmethod
    def named(cls, name: object, where: str) -> Helper:
        """:raises CredentialsUnusable: it is not the name of a program."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CredentialsUnusable(f"{where} is not the name of a credential helper")
        return cls(name, where)

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"

    async def get(self, server: str, environ: Mapping[str, str]) -> Login | None:
        """Return the login for a server; None if the helper has none.

        :raises CredentialsUnusable: the helper is missing, fails, or does not answer in time.
        """
        path = shutil.which(self.program, path=environ.get("PATH"))
        if path is None:
            raise CredentialsUnusable(
                f"{self.where} names {self.program}, which is not in the PATH; install it, or "
                "remove the entry"
            )
        process = await asyncio.create_subprocess_exec(
            path, "get", stdin=PIPE, stdout=PIPE, stderr=PIPE, env=dict(environ)
        )
        try:
            async with asyncio.timeout(TIME_LIMIT):
                out, errors = await process.communicate(f"{server}\n".encode())
        except TimeoutError:
            raise CredentialsUnusable(
                f"{self.program} did not answer within {TIME_LIMIT:g} s"
            ) from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == 0:
            return self._parse(out)
        # Most helpers write their errors to the standard output.
        message = one_line((out or errors).decode(errors="replace"))
        if _NOT_FOUND in message.lower():
            return None
        raise CredentialsUnusable(
            f"{self.program} failed with exit code {process.returncode}: {message}"
        )

    def _parse(self, content: bytes) -> Login | None:
        try:
            fields = json.loads(content[:_MAX_ANSWER])
            name, secret = fields["Username"], fields["Secret"]
        except (ValueError, RecursionError, KeyError, TypeError):
            name = secret = None
        if not isinstance(name, str) or not isinstance(secret, str):
            raise CredentialsUnusable(
                f"{self.program} did not answer with a JSON object with Username and Secret"
            )
        if not name and not secret:
            return None
        return IdentityToken(secret) if name == _IDENTITY_TOKEN_NAME else Basic(name, secret)
