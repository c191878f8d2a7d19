"""The bodies of a Blob Batch: requests in a request, answers in an answer.

learn.microsoft.com/rest/api/storageservices/blob-batch, "Request body" and "Response body"; RFC
2046, section 5.1
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import ClientResponse

from .errors import AnswerMalformed
from .limits import KIB
from .session import read_slices

_LONGEST_ANSWER = 4 * KIB
"""Bytes of an answer in an answer, on average: a dozen headers, and the short text of an error."""

_BOUNDARY = re.compile(r'multipart/mixed;\s*boundary="?([\w\'()+,./:=?-]{1,70})"?', re.IGNORECASE)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})(?: [^\r\n]*)?")
_CONTENT_ID = "Content-Id"


@dataclass(frozen=True)
class Part:
    """A request in a batch: ``path`` is that of the URL as it is sent, percent-encoded."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class PartAnswer:
    """An answer in the answer to a batch. Names of headers are spelt ``X-Y``, or ``x-ms-y``."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def encode_parts(parts: Sequence[Part], boundary: str) -> bytes:
    """Return the body of a batch; the number of a part is its ``Content-ID``."""
    text = "".join(f"--{boundary}\r\n{_encode(number, part)}" for number, part in enumerate(parts))
    return f"{text}--{boundary}--\r\n".encode()


def _encode(number: int, part: Part) -> str:
    headers = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
    return (
        f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: {number}\r\n\r\n"
        f"{part.method} {part.path} HTTP/1.1\r\n{headers}Content-Length: 0\r\n\r\n\r\n"
    )


async def read_part_answers(
    response: ClientResponse, number: int
) -> Sequence[PartAnswer] | PartAnswer:
    """Return the answers to a batch of ``number`` parts, in the order of the parts.

    Where storage answers the batch as a whole, that is one error without ``Content-ID``.

    :raises AnswerMalformed: the body is not the answer to so many parts.
    """
    found = _BOUNDARY.match(response.headers.get("Content-Type", ""))
    if found is None:
        raise AnswerMalformed("malformed answer to a batch: it has no boundary")
    body = await _read(response, (number + 1) * _LONGEST_ANSWER)
    answers = dict(_answers(body, found[1].encode()))
    if list(answers) == [None] and answers[None].status >= 300:
        return answers[None]
    if answers.keys() != set(map(str, range(number))):
        raise AnswerMalformed(f"malformed answer to a batch: {len(answers)} of {number} parts")
    return [answers[str(index)] for index in range(number)]


async def _read(response: ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for piece in read_slices(response):
        body += piece
        if len(body) > limit:
            raise AnswerMalformed(f"malformed answer to a batch: more than {limit} bytes")
    return bytes(body)


def _answers(body: bytes, boundary: bytes) -> Iterator[tuple[str | None, PartAnswer]]:
    """Yield each answer of a body, and its ``Content-ID``.

    :raises AnswerMalformed: a part has no end, or is not an answer.
    """
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if not parts or not parts[-1].startswith(b"--"):
        raise AnswerMalformed("malformed answer to a batch: it has no end")
    seen = set[str | None]()
    for part in parts[:-1]:
        head, _, message = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        content_id = _headers(head).get(_CONTENT_ID)
        if content_id in seen:
            raise AnswerMalformed("malformed answer to a batch: two parts have the same number")
        seen.add(content_id)
        yield content_id, _answer(message)


def _answer(message: bytes) -> PartAnswer:
    head, _, body = message.partition(b"\r\n\r\n")
    line, _, headers = head.partition(b"\r\n")
    status = _STATUS_LINE.fullmatch(line)
    if status is None:
        raise AnswerMalformed("malformed answer to a batch: a part has no status")
    return PartAnswer(int(status[1]), _headers(headers), body)


def _headers(text: bytes) -> Mapping[str, str]:
    lines = (line.partition(":") for line in text.decode("latin-1").split("\r\n"))
    return {_spelt(name): value.strip() for name, _, value in lines}


def _spelt(name: str) -> str:
    lower = name.strip().lower()
    return lower if lower.startswith("x-ms-") else lower.title()
