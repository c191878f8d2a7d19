"""The command line: options, and the bills for them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Container, Sequence
from functools import partial
from pathlib import Path

from .json_output import to_json
from .measured import read_measured
from .plans import PLANS, Calculator
from .prices import PricesInvalid, read_prices
from .text import render
from .traffic import HOURS, Assumptions, Minimum, Traffic
from .usage import Model

DONE, INVALID = 0, 2

DESCRIPTION = """\
Estimate the monthly cost of this registry on Azure Functions, compared with a small virtual machine
and Azure Container Registry. No request is sent to Azure: the cost of each request was measured,
and prices are data with their date and source. docs/cost.md explains the model.
"""
EXAMPLES = """\
examples:
  python -m tools.cost --gib 50
  python -m tools.cost --pulls 1000000 --pushes 20000 --layers 8 --gib 50
  python -m tools.cost --pulls 50000 --pushes 2000 --gib 50 --explain flex-512
  python -m tools.cost --pulls 50000 --gib 50 --prices prices.toml --json
"""
_MOST = 10**9
_LARGEST_MIB = 256  # larger layers are copied in pieces, with calls that the model does not count

_TRAFFIC, _ASSUMED = Traffic(), Assumptions()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the bills. Returns 2 when the arguments or the file of prices are invalid."""
    options = _parser().parse_args(arguments)
    try:
        model = Model(_traffic(options), _assumptions(options), read_measured())
        calculator = Calculator(model, read_prices(options.prices))
        explained = _explained(options.explain)
    except (PricesInvalid, ValueError) as error:
        print(f"cost: {error}", file=sys.stderr)
        return INVALID
    bills = calculator.all_bills()
    if options.json:
        print(json.dumps(to_json(calculator, bills), indent=2))
    else:
        print(render(calculator, bills, explained))
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.cost",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_traffic(parser.add_argument_group("traffic of a month"))
    _add_assumptions(parser.add_argument_group("assumptions"))
    shown = parser.add_argument_group("output")
    shown.add_argument(
        "--explain",
        nargs="?",
        const="all",
        default="",
        metavar="PLAN,...",
        help="show the arithmetic of every line; PLAN as named by --json, default all",
    )
    shown.add_argument("--json", action="store_true", help="print everything as one JSON document")
    shown.add_argument(
        "--prices", type=Path, metavar="FILE", help="prices that replace the built-in ones (TOML)"
    )
    return parser


def _add_number(
    group: argparse._ArgumentGroup,
    flag: str,
    kind: Callable[[str], object],
    default: object,
    text: str,
) -> None:
    if default is not None:
        text += " (default %(default)s)"
    group.add_argument(flag, type=kind, default=default, metavar="N", help=text)


def _add_traffic(group: argparse._ArgumentGroup) -> None:
    add = partial(_add_number, group)
    add("--pulls", _count, _TRAFFIC.pulls, "images pulled")
    add("--pushes", _count, _TRAFFIC.pushes, "images pushed")
    add("--layers", _layers, _TRAFFIC.layers, "layers of an image")
    add(
        "--new-layers",
        _layers,
        None,
        "layers that a push sends (default 2 at most)",
    )
    add("--missing-layers", _layers, None, "layers that a pull fetches (default all)")
    add(
        "--layer-mib",
        _layer_mib,
        _TRAFFIC.layer_mib,
        f"MiB of a layer, up to {_LARGEST_MIB}",
    )
    add("--gib", _quantity, _TRAFFIC.gib, "GiB stored")
    add("--objects", _count, _TRAFFIC.objects, "objects stored, to collect garbage among")
    add("--warm", _share, _TRAFFIC.warm, "share (0 to 1) of requests that meet a warm cache")
    add(
        "--outside",
        _share,
        _TRAFFIC.outside,
        "share (0 to 1) of bytes that leave the region",
    )
    group.add_argument(
        "--streamed", action="store_true", help="REGISTRY_STORAGE_REDIRECT_DISABLE=true"
    )
    group.add_argument(
        "--no-login", dest="login", action="store_false", help="clients need no token"
    )


def _add_assumptions(group: argparse._ArgumentGroup) -> None:
    add = partial(_add_number, group)
    add("--busy-hours", _hours, _ASSUMED.busy_hours, "hours of the month with traffic")
    add("--concurrency", _positive_count, _ASSUMED.concurrency, "requests at a time per instance")
    add("--always-ready", _count, _ASSUMED.always_ready, "always ready instances")
    add("--host-ms", _quantity, _ASSUMED.host_ms, "overhead of Functions per request, in ms")
    add("--storage-ms", _quantity, _ASSUMED.storage_ms, "duration of a storage call, in ms")
    add("--client-mbit", _positive, _ASSUMED.client_mbit, "bandwidth of clients, in Mbit/s")
    add("--log-bytes", _count, _ASSUMED.log_bytes, "bytes logged per request")
    add("--vault-reads", _count, _ASSUMED.vault_reads, "secrets read from Key Vault")
    add("--collections", _positive_count, _ASSUMED.collections, "collections of garbage")
    add("--garbage", _share, _ASSUMED.garbage, "share of objects that one collection deletes")
    add("--manifest-objects", _manifest_objects, _ASSUMED.manifest_objects, "objects per manifest")
    add("--list-ms", _quantity, _ASSUMED.list_ms, "duration of a listing of 5,000 objects, in ms")
    group.add_argument(
        "--minimum",
        type=Minimum,
        choices=list(Minimum),
        default=_ASSUMED.minimum,
        help="what the minimum charge of one second applies to (default %(default)s)",
    )


def _explained(text: str) -> Container[str]:
    """:raises ValueError: when the plan does not exist."""
    names = PLANS if text == "all" else tuple(filter(None, text.split(",")))
    for name in names:
        if name not in PLANS:
            raise ValueError(f"--explain {name!r}: unknown plan; known are {', '.join(PLANS)}")
    return names


def _traffic(arguments: argparse.Namespace) -> Traffic:
    """:raises ValueError: when more layers are sent or fetched than an image has."""
    layers, new, missing = arguments.layers, arguments.new_layers, arguments.missing_layers
    for flag, part in (("--new-layers", new), ("--missing-layers", missing)):
        if part is not None and part > layers:
            raise ValueError(f"{flag} {part} is more than --layers {layers}")
    return Traffic(
        pulls=arguments.pulls,
        pushes=arguments.pushes,
        layers=layers,
        new_layers=min(_TRAFFIC.new_layers, layers) if new is None else new,
        missing_layers=layers if missing is None else missing,
        layer_mib=arguments.layer_mib,
        gib=arguments.gib,
        warm=arguments.warm,
        outside=arguments.outside,
        streamed=arguments.streamed,
        login=arguments.login,
        objects=arguments.objects,
    )


def _assumptions(arguments: argparse.Namespace) -> Assumptions:
    return Assumptions(
        host_ms=arguments.host_ms,
        storage_ms=arguments.storage_ms,
        client_mbit=arguments.client_mbit,
        busy_hours=arguments.busy_hours,
        concurrency=arguments.concurrency,
        always_ready=arguments.always_ready,
        log_bytes=arguments.log_bytes,
        vault_reads=arguments.vault_reads,
        minimum=arguments.minimum,
        collections=arguments.collections,
        garbage=arguments.garbage,
        manifest_objects=arguments.manifest_objects,
        list_ms=arguments.list_ms,
    )


def _count(text: str) -> int:
    return _whole(text, 0, _MOST)


def _positive_count(text: str) -> int:
    return _whole(text, 1, 1000)


def _hours(text: str) -> float:
    return _between(text, 1, HOURS)


def _layers(text: str) -> int:
    return _whole(text, 0, 1000)


def _quantity(text: str) -> float:
    return _between(text, 0, _MOST)


def _positive(text: str) -> float:
    return _between(text, 0.01, _MOST)


def _layer_mib(text: str) -> float:
    return _between(text, 0, _LARGEST_MIB)


def _manifest_objects(text: str) -> float:
    return _between(text, 1, _MOST)


def _share(text: str) -> float:
    return _between(text, 0, 1)


def _whole(text: str, least: int, most: int) -> int:
    """:raises ArgumentTypeError: when it is not a whole number, or out of range."""
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return int(text)


def _between(text: str, least: float, most: float) -> float:
    """:raises ArgumentTypeError: when it is not a number, or out of range."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
    return value


if __name__ == "__main__":
    sys.exit(main())
