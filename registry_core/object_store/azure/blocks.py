"""Block ids and block lists.

A list of 50,000 blocks has 4 MB: it is written and read in small steps, between which other tasks
run.

learn.microsoft.com/rest/api/storageservices/put-block-list, get-block-list
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from aiohttp import ClientResponse

from ...aio import in_slices
from ..interface import StagedBlocks, check_block_id
from .errors import AnswerMalformed
from .properties import read_etag
from .session import read_slices

_IDS_AT_ONCE = 1000
_LONGEST_ROW = 64 * 2**10

_NAME = re.compile(rb"<Name>([^<]*)</Name>")
_SIZE = re.compile(rb"<Size>(\d+)</Size>")


def encode_block_id(block_id: str) -> str:
    """Return a block id as storage has it: in base64.

    :raises ValueError: `check_block_id` does not accept it.
    """
    return base64.b64encode(check_block_id(block_id).encode()).decode()


async def block_list(block_ids: Sequence[str]) -> bytes:
    """Return the body of Put Block List: the latest blocks with these ids, in this order.

    :raises ValueError: `check_block_id` does not accept one of them.
    """
    parts = ['<?xml version="1.0" encoding="utf-8"?><BlockList>']
    async for some in in_slices(block_ids, _IDS_AT_ONCE):
        parts += [f"<Latest>{encode_block_id(block_id)}</Latest>" for block_id in some]
    return "".join([*parts, "</BlockList>"]).encode()


async def read_block_list(response: ClientResponse) -> tuple[str, Sequence[str]]:
    """Return the ETag and the ids of the committed blocks in an answer of Get Block List, in order.

    Storage leaves out the ETag where no block is committed: it is "" then.

    :raises AnswerMalformed: there are blocks but no ETag, or this is not a list of blocks.
    """
    scan = _Scan("CommittedBlocks")
    block_ids: list[str] = []
    async for chunk in read_slices(response):
        block_ids += [_decoded(_found(_NAME, row)) for row in scan.feed(chunk)]
    scan.check_end()
    return read_etag(response.headers) if block_ids else "", block_ids


async def read_staged_blocks(response: ClientResponse) -> StagedBlocks:
    """Return what the answer of Get Block List says of uncommitted blocks.

    :raises AnswerMalformed: this is not a list of blocks.
    """
    scan = _Scan("UncommittedBlocks")
    sizes: list[int] = []
    async for chunk in read_slices(response):
        sizes += [int(_found(_SIZE, row)) for row in scan.feed(chunk)]
    scan.check_end()
    return StagedBlocks(len(sizes), sum(sizes))


class _Scan:
    """Finds the rows of one of the two lists in an answer, as it arrives."""

    def __init__(self, section: str) -> None:
        self._begin, self._end = f"<{section}>".encode(), f"</{section}>".encode()
        self._is_inside = False
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the rows that are complete with this chunk."""
        *rows, self._rest = (self._rest + chunk).split(b"</Block>")
        for row in rows:
            if self._begin in row or self._end in row:
                self._is_inside = row.rfind(self._begin) > row.rfind(self._end)
            if self._is_inside:
                yield row
        if len(self._rest) > _LONGEST_ROW:
            raise AnswerMalformed("malformed list of blocks: a row has no end")

    def check_end(self) -> None:
        if b"</BlockList>" not in self._rest:
            raise AnswerMalformed("malformed list of blocks: it has no end")


def _found(element: re.Pattern[bytes], row: bytes) -> bytes:
    found = element.search(row)
    if found is None:
        raise AnswerMalformed("malformed list of blocks: a row lacks an element")
    return found[1]


def _decoded(name: bytes) -> str:
    """Return a block id: decoded if it can be one of ours, else as storage has it."""
    try:
        return base64.b64decode(name, validate=True).decode()
    except ValueError:
        return name.decode(errors="replace")
