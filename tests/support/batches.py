"""Bodies of Blob Batch requests as a server reads and writes them.

learn.microsoft.com/rest/api/storageservices/blob-batch
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import MIMEPart
from email.policy import HTTP

BOUNDARY = "batchresponse_made-up"


@dataclass(frozen=True)
class SentPart:
    """A request in a batch; ``path`` is as it was sent, ``headers`` with names in lower case."""

    content_id: str
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class AnsweredPart:
    """An answer in the answer to a batch; without ``content_id``, to the batch as a whole."""

    content_id: str | None
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def parse_batch(content_type: str, body: bytes) -> Sequence[SentPart]:
    """Return the requests in the body of a batch, parsed by the standard library."""
    kind, _, boundary = content_type.partition("boundary=")
    quoted = boundary.strip('"')  # the SDK's boundary has characters that need quotes
    head = f'Content-Type: {kind}boundary="{quoted}"\r\n\r\n'.encode()
    message = message_from_bytes(head + body, policy=HTTP)
    assert message.is_multipart(), body
    return [_part(part) for part in message.iter_parts()]


def _part(part: MIMEPart) -> SentPart:
    assert part["Content-Type"] == "application/http"
    assert part["Content-Transfer-Encoding"] == "binary"
    line, _, rest = str(part.get_payload()).replace("\r\n", "\n").partition("\n")
    method, path, version = line.split(" ")
    assert version == "HTTP/1.1"
    head, _, content = rest.partition("\n\n")
    assert not content.strip()
    headers = dict(row.split(": ", 1) for row in head.split("\n"))
    lower = {name.lower(): value for name, value in headers.items()}
    return SentPart(part["Content-ID"], method, path, lower)


def format_answers(parts: Sequence[AnsweredPart], boundary: str = BOUNDARY) -> bytes:
    """Return the body of the answer to a batch, as Azurite and Azure write it."""
    return b"".join(_formatted(part, boundary) for part in parts) + f"--{boundary}--\r\n".encode()


def _formatted(part: AnsweredPart, boundary: str) -> bytes:
    number = "" if part.content_id is None else f"Content-ID: {part.content_id}\r\n"
    headers = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
    head = (
        f"--{boundary}\r\nContent-Type: application/http\r\n{number}\r\n"
        f"HTTP/1.1 {part.status} Text of it\r\n{headers}\r\n"
    )
    return head.encode() + part.body + b"\r\n"
