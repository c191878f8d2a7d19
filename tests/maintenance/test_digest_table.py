"""The table of digests that maintenance jobs keep in memory."""

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
