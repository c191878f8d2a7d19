"""Long lists are encoded in slices, to the same bytes as at once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse

from registry_core.server.listings import encode_list
from tests.support.turns import counting_turns

pytestmark = pytest.mark.anyio

TEXTS = st.lists(st.text('aé"\\\n€😀', max_size=3), max_size=7)


@given(values=TEXTS, size=st.integers(1, 4))
async def test_a_list_in_slices_has_the_bytes_of_a_list_in_one_go(
    values: list[str], size: int
) -> None:
    body = await encode_list({"name": "é", "n": 2}, "tags", values, str, size=size)
    assert body == JSONResponse({"name": "é", "n": 2, "tags": values}).body


async def test_others_run_between_the_slices() -> None:
    with counting_turns() as turns:
        body = await encode_list({"name": "a"}, "tags", range(1200), turns.counted(str))
    assert (turns.calls, turns.most) == (1200, 500)
    assert len(json.loads(body)["tags"]) == 1200
