"""The state of a hash can be carried to another process; what is no state is never trusted."""

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
    """What another Python process prints that runs ``script``."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=stdin, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_process_goes_on_from_a_state_taken_after_any_number_of_bytes(
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
def test_a_hash_can_be_handed_on_after_every_piece(algorithm: str, pieces: list[bytes]) -> None:
    state = exported(algorithm, b"")
    for piece in pieces:
        hasher = resumed(algorithm, state)
        hasher.update(piece)
        state = hasher.export_state() or b""
    assert resumed(algorithm, state).digest() == Digest.of(b"".join(pieces), algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_exported_state_stays_what_it_was_while_the_hasher_goes_on(algorithm: str) -> None:
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


def test_the_state_of_one_algorithm_is_none_of_the_other() -> None:
    assert resume_hasher("sha512", exported("sha256", HEAD)) is None
    assert resume_hasher("sha256", exported("sha512", HEAD)) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("length", [0, 1, 63, 64, 127, 128, 300])
def test_no_bit_of_the_counters_that_guard_memory_can_change_unnoticed(
    algorithm: str, length: int
) -> None:
    """Libcrypto would write as far outside its structure as these say."""
    state = bytearray(exported(algorithm, HEAD[:length]))
    for bit in range(64):
        changed = bytearray(state)
        changed[len(state) - 8 + bit // 8] ^= 1 << bit % 8
        assert resume_hasher(algorithm, bytes(changed)) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("byte", [b"\0", b"\1", b"\x40", b"\x80", b"\xff"])
def test_a_filler_is_no_state(algorithm: str, byte: bytes) -> None:
    assert resume_hasher(algorithm, byte * hash_state.state_size(algorithm)) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(data=st.data())
def test_a_state_of_right_counters_and_wrong_words_only_gives_another_digest(
    algorithm: str, data: st.DataObject
) -> None:
    state = exported(algorithm, HEAD[:100])
    words = 8 * (hash_state.state_size(algorithm) - 8) // 26
    forged = data.draw(st.binary(min_size=words, max_size=words)) + state[words:]
    hasher = resumed(algorithm, forged)
    hasher.update(TAIL)
    is_same = hasher.digest() == Digest.of(HEAD[:100] + TAIL, algorithm)
    assert is_same == (forged == state)


def test_hashing_runs_beside_other_threads() -> None:
    """A CDLL's functions are called without the interpreter lock, a PyDLL's with it."""
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
def test_without_libcrypto_digests_are_right_and_states_are_neither_given_nor_taken(
    algorithm: str,
) -> None:
    expected = hashlib.new(algorithm, HEAD + TAIL).hexdigest()
    assert hash_elsewhere(WITHOUT_LIBCRYPTO, algorithm) == [expected, "False", "False"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_where_libcrypto_is_part_of_the_interpreter_digests_are_right_with_or_without_states(
    algorithm: str,
) -> None:
    digest, gives, takes = hash_elsewhere(WITHIN_THE_INTERPRETER, algorithm)
    assert digest == hashlib.new(algorithm, HEAD + TAIL).hexdigest()
    assert gives == takes
