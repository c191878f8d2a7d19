"""Hash states can be resumed in another process; invalid states are refused."""

from __future__ import annotations

import ctypes
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.spec import hash_state
from registry_core.spec.digest import Digest, Hasher, new_hasher, resume_hasher

ALGORITHMS = ["sha256", "sha512"]
ROOT = Path(__file__).parents[2]
HEAD = bytes(range(251)) * 2
TAIL = b"the rest" * 40


def exported(algorithm: str, content: bytes) -> bytes:
    hasher = new_hasher(algorithm)
    hasher.update(content)
    state = hasher.export_state()
    assert state is not None, "this machine's libcrypto is out of reach"
    return state


def resumed(algorithm: str, state: bytes) -> Hasher:
    hasher = resume_hasher(algorithm, state)
    assert hasher is not None
    return hasher


def run_python(script: str, stdin: str = "") -> str:
    """Run a script in another Python process, and return its output."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=stdin, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_process_continues_from_a_state_at_any_offset(
    algorithm: str,
) -> None:
    states = [exported(algorithm, HEAD[:length]).hex() for length in range(301)]
    script = f"""
import json, sys
from registry_core.spec.digest import resume_hasher
digests = []
for state in json.load(sys.stdin):
    hasher = resume_hasher({algorithm!r}, bytes.fromhex(state))
    hasher.update({TAIL!r})
    digests.append(str(hasher.digest()))
print(json.dumps(digests))
"""
    digests = json.loads(run_python(script, json.dumps(states)))
    assert digests == [str(Digest.of(HEAD[:n] + TAIL, algorithm)) for n in range(301)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(pieces=st.lists(st.binary(max_size=300), max_size=10))
def test_a_hash_can_be_resumed_after_every_piece(algorithm: str, pieces: list[bytes]) -> None:
    state = exported(algorithm, b"")
    for piece in pieces:
        hasher = resumed(algorithm, state)
        hasher.update(piece)
        state = hasher.export_state() or b""
    assert resumed(algorithm, state).digest() == Digest.of(b"".join(pieces), algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_exported_state_does_not_change_while_the_hasher_continues(algorithm: str) -> None:
    hasher = new_hasher(algorithm)
    hasher.update(HEAD)
    state = hasher.export_state() or b""
    hasher.update(TAIL)
    assert resumed(algorithm, state).digest() == Digest.of(HEAD, algorithm)
    assert hasher.digest() == Digest.of(HEAD + TAIL, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_has_the_same_size_whatever_was_hashed(algorithm: str) -> None:
    sizes = {len(exported(algorithm, HEAD[:length])) for length in range(301)}
    assert sizes == {hash_state.state_size(algorithm)}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_of_a_wrong_length_is_refused(algorithm: str) -> None:
    state = exported(algorithm, HEAD)
    for wrong in (b"", state[:-1], state + b"\0", state * 2):
        assert resume_hasher(algorithm, wrong) is None
        with pytest.raises(ValueError, match=f"a state of {algorithm} has {len(state)} bytes"):
            hash_state.ResumableHash(algorithm, wrong)


def test_a_state_of_another_algorithm_is_refused() -> None:
    assert resume_hasher("sha512", exported("sha256", HEAD)) is None
    assert resume_hasher("sha256", exported("sha512", HEAD)) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("length", [0, 1, 63, 64, 127, 128, 300])
def test_a_change_of_any_bit_of_the_counters_that_guard_memory_is_refused(
    algorithm: str, length: int
) -> None:
    """With wrong counters libcrypto would write outside its structure."""
    state = bytearray(exported(algorithm, HEAD[:length]))
    for bit in range(64):
        changed = bytearray(state)
        changed[len(state) - 8 + bit // 8] ^= 1 << bit % 8
        assert resume_hasher(algorithm, bytes(changed)) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("byte", [b"\0", b"\1", b"\x40", b"\x80", b"\xff"])
def test_a_repeated_byte_is_refused(algorithm: str, byte: bytes) -> None:
    assert resume_hasher(algorithm, byte * hash_state.state_size(algorithm)) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(data=st.data())
def test_a_forged_state_with_valid_counters_only_changes_the_digest(
    algorithm: str, data: st.DataObject
) -> None:
    state = exported(algorithm, HEAD[:100])
    words = 8 * (hash_state.state_size(algorithm) - 8) // 26
    forged = data.draw(st.binary(min_size=words, max_size=words)) + state[words:]
    hasher = resumed(algorithm, forged)
    hasher.update(TAIL)
    is_same = hasher.digest() == Digest.of(HEAD[:100] + TAIL, algorithm)
    assert is_same == (forged == state)


def test_hashing_releases_the_interpreter_lock() -> None:
    """The functions of a CDLL are called without the lock, those of a PyDLL with it."""
    library = hash_state._libcrypto()
    assert isinstance(library, ctypes.CDLL)
    assert not isinstance(library, ctypes.PyDLL)


WITHOUT_LIBCRYPTO = """
import sys
sys.modules["_hashlib"] = None
"""
WITHIN_THE_INTERPRETER = """
import _hashlib
del _hashlib.__file__
"""
HASH = """
from registry_core.spec.digest import new_hasher, resume_hasher
first = new_hasher({algorithm!r})
first.update({head!r})
state = first.export_state()
second = first if state is None else resume_hasher({algorithm!r}, state)
second.update(bytearray({tail!r}))
print(second.digest().hex, state is not None, resume_hasher({algorithm!r}, {state!r}) is not None)
"""


def hash_elsewhere(machine: str, algorithm: str) -> list[str]:
    script = HASH.format(algorithm=algorithm, head=HEAD, tail=TAIL, state=exported(algorithm, b""))
    return run_python(machine + script).split()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_libcrypto_digests_are_right_and_states_are_neither_exported_nor_imported(
    algorithm: str,
) -> None:
    expected = hashlib.new(algorithm, HEAD + TAIL).hexdigest()
    assert hash_elsewhere(WITHOUT_LIBCRYPTO, algorithm) == [expected, "False", "False"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_where_libcrypto_is_part_of_the_interpreter_digests_are_right_with_or_without_states(
    algorithm: str,
) -> None:
    digest, exports, imports = hash_elsewhere(WITHIN_THE_INTERPRETER, algorithm)
    assert digest == hashlib.new(algorithm, HEAD + TAIL).hexdigest()
    assert exports == imports
