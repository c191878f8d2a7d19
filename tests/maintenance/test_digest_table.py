"""The table of digests that maintenance jobs keep in memory."""

import pytest

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
