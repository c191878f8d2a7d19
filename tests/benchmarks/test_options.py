"""A command line that makes no sense is refused with a line that says why."""

from pathlib import Path

import pytest

from benchmarks.options import GROUPS, read_options
from benchmarks.run import Registry


def test_what_belongs_to_a_registry_is_given_by_its_name() -> None:
    options = read_options(
        [
            *("--registry", "a=http://127.0.0.1:5000", "--registry", "b=http://127.0.0.1:5001"),
            *("--pid", "b=12", "--storage-log", "a=azurite.log", "--seed", "a=http://h:1"),
            *("--streaming", "a=http://h:2", "--streaming-pid", "a=13"),
        ]
    )
    assert options.registries == (
        Registry(
            "a",
            "http://127.0.0.1:5000",
            storage_log=Path("azurite.log"),
            seed_url="http://h:1",
            streaming_url="http://h:2",
            streaming_pid=13,
        ),
        Registry("b", "http://127.0.0.1:5001", pid=12),
    )
    assert options.groups == GROUPS


def test_groups_are_measured_in_their_own_order() -> None:
    assert read_options(["--serve", "--only", "memory,calls"]).groups == ("calls", "memory")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "nothing to measure"),
        (["--registry", "http://h"], "NAME=VALUE is wanted"),
        (["--registry", "a=h:5000"], "is not a URL"),
        (["--registry", "a=http://h", "--registry", "a=http://i"], "given twice for a"),
        (["--registry", "a=http://h", "--pid", "b=1"], "b is not a --registry"),
        (["--registry", "a=http://h", "--pid", "a=x"], "is not a process id"),
        (["--serve", "--registry", "ours=http://h"], "give yours another name"),
        (["--serve", "--only", "call"], "calls, throughput, rates, latency, memory are there"),
    ],
)
def test_a_senseless_command_line_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        read_options(arguments)
    assert refusal.value.code == 2
    assert message in capsys.readouterr().err
