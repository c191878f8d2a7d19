"""The table of digests that maintenance jobs keep in memory."""

import tracemalloc

import pytest

from registry_core.maintenance import digest_table
from registry_core.maintenance.digest_table import DigestTable
from registry_core.spec.digest import Digest


def test_a_digest_is_found_in_a_table_of_both_algorithms() -> None:
    table = DigestTable()
    digests = sorted(Digest.of(bytes([n]), a) for n in range(200) for a in ("sha256", "sha512"))
    for number, digest in enumerate(digests[:-1]):
        table.add(digest, number)
    table.mark(digests[7])
    assert list(table) == digests[:-1]
    assert [table.number(digest) for digest in digests] == [*range(399), None]
    assert [digest for digest, _, marked in table.rows() if marked] == [digests[7]]
    assert digests[0] in table
    assert digests[-1] not in table
    with pytest.raises(ValueError, match="not in order"):
        table.add(digests[0])


def test_marks_can_be_moved_to_another_table_by_the_beginnings_of_digests() -> None:
    digests = sorted(
        Digest.of(b"%d" % number, algorithm)
        for number in range(50)
        for algorithm in ("sha256", "sha512")
    )
    one, other = DigestTable(), DigestTable()
    for digest in digests:
        one.add(digest)
    for digest in digests[::2]:
        other.add(digest)
    for digest in digests[::3]:
        one.mark(digest)

    other.mark_beginnings(one.marked_beginnings())

    assert {digest for digest in digests if other.is_marked(digest)} == set(digests[::6])


def test_beginnings_that_something_else_wrote_are_refused() -> None:
    with pytest.raises(ValueError, match="beginnings"):
        DigestTable().mark_beginnings(b"123")


def test_a_table_says_whether_all_is_marked() -> None:
    table = DigestTable()
    digests = sorted(Digest.of(b"%d" % number) for number in range(3))
    for digest in digests:
        table.add(digest)

    assert not table.are_all_marked()
    for digest in digests:
        table.mark(digest)
    assert table.are_all_marked()
    assert DigestTable().are_all_marked()


@pytest.mark.parametrize("beginning", ["0000", "0001", "7fff", "fffe", "ffff"])
def test_digests_that_begin_alike_are_found_and_no_others(beginning: str) -> None:
    table = DigestTable()
    ends = ["0" * 60, "0" * 59 + "1", "8" * 60, "f" * 60]
    others = ["0000", "8000", "ffff"]
    alike = [Digest("sha256", beginning + end) for end in ends]
    in_table = sorted({Digest("sha256", other + "5" * 60) for other in others} | set(alike[1:3]))
    for number, digest in enumerate(in_table):
        table.add(digest, number)
    for digest in (*alike, *in_table):
        expected = in_table.index(digest) if digest in in_table else None
        assert table.number(digest) == expected


def test_an_empty_table_has_no_digest() -> None:
    assert Digest.of(b"") not in DigestTable()


def test_few_keys_are_compared_with_a_digest_in_a_large_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A collection of garbage looks up each digest of each manifest."""
    table = DigestTable()
    digests = sorted(Digest.of(f"{number}".encode()) for number in range(20_000))
    for digest in digests:
        table.add(digest)
    compared: list[int] = []
    key = digest_table._Column.key

    def count(column: digest_table._Column, index: int) -> bytes:
        compared.append(index)
        return key(column, index)

    monkeypatch.setattr(digest_table._Column, "key", count)
    for digest in digests:
        table.mark(digest)
    assert len(compared) < 3 * len(digests)


def test_a_small_table_takes_little_memory() -> None:
    """There may be one for each tag of a repository."""
    tracemalloc.start()
    table = DigestTable()
    table.add(Digest("sha256", "f" * 64))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert table.number(Digest("sha256", "f" * 64)) == 0
    assert used < 4096


@pytest.mark.parametrize("number", [4095, 4096, 4097, 6000])
def test_all_digests_of_a_table_are_found(number: int) -> None:
    digests = sorted(Digest.of(b"%d" % each) for each in range(number))
    table = DigestTable()
    for index, digest in enumerate(digests):
        table.add(digest, index)

    assert [table.number(digest) for digest in digests] == list(range(number))
    assert not any(Digest.of(b"x%d" % each) in table for each in range(number))
