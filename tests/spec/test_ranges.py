"""``Range``, ``Content-Range`` and ``Link`` are parsed and built as the standards say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.spec.endpoints import ListTags, PageQuery
from registry_core.spec.errors import RangeInvalid
from registry_core.spec.ranges import (
    ByteRange,
    is_plain,
    next_link,
    parse_content_range,
    parse_range,
    upload_range,
)
from registry_core.spec.routes import build

CONTENT = b"0123456789"


@pytest.mark.parametrize(
    "header, expected",
    [
        ("bytes=0-0", b"0"),
        ("bytes=0-9", CONTENT),
        ("bytes=3-5", b"345"),
        ("bytes=9-9", b"9"),
        ("bytes=3-", b"3456789"),
        ("bytes=0-", CONTENT),
        ("bytes=-3", b"789"),
        ("bytes=-10", CONTENT),
        ("bytes=-11", CONTENT),
        ("bytes=-9999999999999999999", CONTENT),
        ("bytes=5-10", b"56789"),
        ("bytes=5-9999999999999999999", b"56789"),
        ("bytes=03-05", b"345"),
        ("Bytes=3-5", b"345"),
        (" bytes=3-5 ", b"345"),
    ],
)
def test_a_single_range_selects_that_part_of_the_content(header: str, expected: bytes) -> None:
    part = parse_range(header, len(CONTENT))
    assert part is not None
    assert CONTENT[part.start : part.end + 1] == expected
    assert part.length == len(expected)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=999999999-"])
def test_a_range_outside_the_content_is_refused_with_the_size(header: str) -> None:
    with pytest.raises(RangeInvalid) as refusal:
        parse_range(header, len(CONTENT))
    assert refusal.value.http_status == 416
    assert refusal.value.headers == {"Content-Range": "bytes */10"}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=--5",
        "bytes=5--",
        "bytes=5",
        "bytes=a-b",
        "bytes=0x1-5",
        "bytes=+1-5",
        "bytes=1.0-5",
        "bytes=\u0663-\u0665",
        "byte\u017f=3-5",
        "bytes 3-5",
        "bytes=3-5\n0-1",
        "bytes=0-1,3-4",
        "bytes=0-1, -1",
        "items=3-5",
        "bytes=3-5/10",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_anything_but_a_single_range_of_bytes_is_ignored(header: str | None) -> None:
    assert parse_range(header, len(CONTENT)) is None


@pytest.mark.parametrize("header", [None, "bytes=0-", "bytes=0-0", "bytes=-5", "bytes=-0", "junk"])
def test_a_range_of_empty_content_is_ignored(header: str | None) -> None:
    assert parse_range(header, 0) is None


@pytest.mark.parametrize(
    "header, expected",
    [
        (None, True),
        ("bytes=0-", True),
        ("bytes=3-5", True),
        ("bytes=" + "9" * 18 + "-", True),
        ("bytes=" + "9" * 19 + "-", False),
        ("bytes=-3", False),
        ("Bytes=3-5", False),
        ("bytes=-", False),
        ("bytes=3", False),
        ("bytes=3-5,7-8", False),
        ("bytes=\u0663-", False),
        ("items=3-5", False),
        ("", False),
    ],
)
def test_only_a_range_from_an_offset_is_understood_alike_by_every_server(
    header: str | None, *, expected: bool
) -> None:
    assert is_plain(header) is expected


@given(size=st.integers(1, 40), first=st.integers(0, 50), last=st.integers(0, 50))
def test_a_range_selects_its_intersection_with_the_content(
    size: int, first: int, last: int
) -> None:
    wanted = [i for i in range(size) if first <= i <= last]
    try:
        part = parse_range(f"bytes={first}-{last}", size)
    except RangeInvalid:
        assert not wanted
    else:
        assert part is not None
        assert list(range(part.start, part.end + 1)) == wanted


@given(size=st.integers(1, 40), count=st.integers(1, 50))
def test_a_suffix_selects_the_last_bytes(size: int, count: int) -> None:
    part = parse_range(f"bytes=-{count}", size)
    assert part is not None
    assert list(range(part.start, part.end + 1)) == list(range(size))[-count:]


def test_a_part_has_a_content_range() -> None:
    assert ByteRange(3, 5).content_range(10) == "bytes 3-5/10"


@pytest.mark.parametrize(
    "header", ["3-5", " 3-5 ", "bytes 3-5", "bytes 3-5/10", "bytes 3-5/*", "bytes=3-5", "Bytes 3-5"]
)
def test_a_chunks_range_is_parsed_with_and_without_a_unit(header: str) -> None:
    assert parse_content_range(header) == ByteRange(3, 5)


def test_a_chunk_without_content_range_has_no_range() -> None:
    assert parse_content_range(None) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "-",
        "3",
        "3-",
        "-5",
        "5-3",
        "a-b",
        "3 - 5",
        "0-1,3-4",
        "\u0663-\u0665",
        "0x3-5",
        "+3-5",
        "3-5/",
        "bytes */10",
        "items 3-5",
        "3-5\nX-Injected: yes",
        "3-" + "9" * 20,
        "9" * 5000 + "-3",
    ],
)
def test_a_malformed_content_range_is_refused(header: str) -> None:
    with pytest.raises(RangeInvalid) as refusal:
        parse_content_range(header)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("offset, expected", [(0, "0-0"), (1, "0-0"), (2, "0-1"), (10, "0-9")])
def test_the_range_of_an_upload_ends_at_its_last_byte(offset: int, expected: str) -> None:
    assert upload_range(offset) == expected


def test_a_link_leads_to_the_next_page() -> None:
    url = build(ListTags("library/nginx", PageQuery(2, "1.0")))
    assert next_link(url) == '</v2/library/nginx/tags/list?n=2&last=1.0>; rel="next"'


def test_a_query_cannot_break_out_of_a_link() -> None:
    """``last`` is chosen by the client; percent-encoding contains it."""
    url = build(ListTags("a", PageQuery(last='x>; rel="evil"\r\nX-Injected: yes')))
    link = next_link(url)
    assert link.isprintable()
    assert (link.count(">"), link.count('"')) == (1, 2)
