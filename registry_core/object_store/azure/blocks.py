"""Block ids and block lists.

learn.microsoft.com/rest/api/storageservices/put-block-list, get-block-list
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from aiohttp import ClientResponse

from ...aio import off_loop
from ..interface import StagedBlocks, check_block_id
from .properties import read_etag

_COMMITTED = re.compile(rb"<CommittedBlocks>(.*?)</CommittedBlocks>", re.DOTALL)
_UNCOMMITTED = re.compile(rb"<UncommittedBlocks>(.*?)</UncommittedBlocks>", re.DOTALL)
_SIZE = re.compile(rb"<Size>(\d+)</Size>")
_NAME = re.compile(rb"<Name>([^<]*)</Name>")


def encode_block_id(block_id: str) -> str:
    """Return a block id as storage has it: in base64.

    :raises ValueError: `check_block_id` does not accept it.
    """
    return base64.b64encode(check_block_id(block_id).encode()).decode()


async def block_list(block_ids: Sequence[str]) -> bytes:
    """Return the body of Put Block List: the latest blocks with these ids, in this order.

    :raises ValueError: `check_block_id` does not accept one of them.
    """
    return await off_loop(50 * len(block_ids), _block_list, block_ids)


def _block_list(block_ids: Sequence[str]) -> bytes:
    rows = "".join(f"<Latest>{encode_block_id(block_id)}</Latest>" for block_id in block_ids)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()


async def read_block_list(response: ClientResponse) -> tuple[str, Sequence[str]]:
    """Return the ETag and the ids of the committed blocks in an answer of Get Block List, in order.

    Storage leaves out the ETag where no block is committed: it is "" then.

    :raises AnswerMalformed: there are blocks but no ETag.
    """
    body = await response.read()
    block_ids = await off_loop(len(body), _committed, body)
    return read_etag(response.headers) if block_ids else "", block_ids


def _committed(body: bytes) -> Sequence[str]:
    committed = _COMMITTED.search(body)
    if committed is None:
        return []
    return [_decoded(name) for name in _NAME.findall(committed[1])]


def _decoded(name: bytes) -> str:
    """Return a block id: decoded if it can be one of ours, else as storage has it."""
    try:
        return base64.b64decode(name, validate=True).decode()
    except ValueError:
        return name.decode(errors="replace")


async def read_staged_blocks(response: ClientResponse) -> StagedBlocks:
    """Return what the answer of Get Block List says of uncommitted blocks."""
    body = await response.read()
    return await off_loop(len(body), _staged, body)


def _staged(body: bytes) -> StagedBlocks:
    uncommitted = _UNCOMMITTED.search(body)
    sizes = _SIZE.findall(uncommitted[1]) if uncommitted else []
    return StagedBlocks(len(sizes), sum(map(int, sizes)))
