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
