"""The command: its options, and the bills that follow from them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Container, Mapping
from functools import partial
from pathlib import Path

from registry_core.cli.options import Commands, number

from .traffic import HOURS, Assumptions, Minimum, Traffic

DONE, WRONG = 0, 2

COST = """\
Reckon what a month of this registry costs on Azure Functions, next to a small virtual machine and
Azure Container Registry. Nothing is asked of Azure: what each request takes was measured, prices
are data with their date and source. docs/cost.md explains the model.
"""
EXAMPLES = """\
examples:
  python -m registry_core cost --gib 50
  python -m registry_core cost --pulls 1000000 --pushes 20000 --layers 8 --gib 50
  python -m registry_core cost --pulls 50000 --pushes 2000 --gib 50 --explain flex-512
  python -m registry_core cost --pulls 50000 --gib 50 --prices prices.toml --json
"""
_MOST = 10**9
_LARGEST_MIB = 256  # larger layers are copied piece by piece: more calls than are counted here

_TRAFFIC, _ASSUMED = Traffic(), Assumptions()


def add_cost(commands: Commands) -> None:
    """Its options."""
    parser = commands.add_parser(
        "cost",
        help="reckon what a month costs on Azure",
        description=COST,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_traffic(parser.add_argument_group("what happens in a month"))
    _add_assumptions(parser.add_argument_group("what is assumed"))
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--explain",
        nargs="?",
        const="all",
        default="",
        metavar="PLAN,...",
        help="the arithmetic of every line; of these plans only, named as --json names them",
    )
    shown.add_argument("--json", action="store_true", help="everything as one JSON document")
    shown.add_argument(
        "--prices", type=Path, metavar="FILE", help="prices to put in place of ours (TOML)"
    )
    parser.set_defaults(run=_cost)


def _add_number(
    group: argparse._ArgumentGroup,
    flag: str,
    kind: Callable[[str], object],
    default: object,
    text: str,
) -> None:
    """Without a default, the text tells what holds instead."""
    if default is not None:
        text += " (default %(default)s)"
    group.add_argument(flag, type=kind, default=default, metavar="N", help=text)


def _add_traffic(group: argparse._ArgumentGroup) -> None:
    add = partial(_add_number, group)
    add("--pulls", _count, _TRAFFIC.pulls, "images pulled")
    add("--pushes", _count, _TRAFFIC.pushes, "images pushed")
    add("--layers", _layers, _TRAFFIC.layers, "layers of an image")
    add("--new-layers", _layers, None, "of them, sent by a push (default 2, if there are as many)")
    add("--missing-layers", _layers, None, "of them, fetched by a pull (default all)")
    add("--layer-mib", _layer_mib, _TRAFFIC.layer_mib, f"MiB of a layer, up to {_LARGEST_MIB}")
    add("--gib", _quantity, _TRAFFIC.gib, "GiB stored")
    add("--warm", _share, _TRAFFIC.warm, "share, 0 to 1, of requests that an instance has seen")
    add("--outside", _share, _TRAFFIC.outside, "share of pulled bytes that leave Azure's region")
    group.add_argument(
        "--streamed", action="store_true", help="REGISTRY_STORAGE_REDIRECT_DISABLE=true"
    )
    group.add_argument(
        "--no-login", dest="login", action="store_false", help="clients ask for no token"
    )


def _add_assumptions(group: argparse._ArgumentGroup) -> None:
    add = partial(_add_number, group)
    add("--busy-hours", _hours, _ASSUMED.busy_hours, "hours of the month in which traffic comes")
    add("--concurrency", _some, _ASSUMED.concurrency, "requests that an instance takes at a time")
    add("--always-ready", _count, _ASSUMED.always_ready, "instances that are always ready")
    add("--host-ms", _quantity, _ASSUMED.host_ms, "what Functions adds to a request, in ms")
    add("--storage-ms", _quantity, _ASSUMED.storage_ms, "how long a storage call takes, in ms")
    add("--client-mbit", _positive, _ASSUMED.client_mbit, "what clients send and take, in Mbit/s")
    add("--log-bytes", _count, _ASSUMED.log_bytes, "bytes logged for each request")
    add("--vault-reads", _count, _ASSUMED.vault_reads, "secrets read from Key Vault in a month")
    group.add_argument(
        "--minimum",
        type=Minimum,
        choices=list(Minimum),
        default=_ASSUMED.minimum,
        help="what the least charge of one second is for (default %(default)s)",
    )


def _cost(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    # Imported here so that other commands need not wait for it.
    from .document import to_json
    from .measured import read_measured
    from .plans import Office
    from .prices import PricesInvalid, read_prices
    from .text import render
    from .usage import Model

    try:
        model = Model(_traffic(arguments), _assumptions(arguments), read_measured())
        office = Office(model, read_prices(arguments.prices))
        explained = _explained(arguments.explain)
    except (PricesInvalid, ValueError) as error:
        print(f"registry: {error}", file=sys.stderr)
        return WRONG
    bills = office.all_bills()
    if arguments.json:
        print(json.dumps(to_json(office, bills), indent=2))
    else:
        print(render(office, bills, explained))
    return DONE


def _explained(text: str) -> Container[str]:
    """:raises ValueError: there is no such plan."""
    from .plans import PLANS

    names = PLANS if text == "all" else tuple(filter(None, text.split(",")))
    for name in names:
        if name not in PLANS:
            raise ValueError(f"--explain {name!r}: the plans are {', '.join(PLANS)}")
    return names


def _traffic(arguments: argparse.Namespace) -> Traffic:
    """:raises ValueError: an image would have fewer layers than are sent or fetched."""
    layers, new, missing = arguments.layers, arguments.new_layers, arguments.missing_layers
    for flag, part in (("--new-layers", new), ("--missing-layers", missing)):
        if part is not None and part > layers:
            raise ValueError(f"{flag} {part} is more than the {layers} --layers of an image")
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
    )


def _count(text: str) -> int:
    return number(text, 0, _MOST)


def _some(text: str) -> int:
    return number(text, 1, 1000)


def _hours(text: str) -> float:
    return _between(text, 1, HOURS)


def _layers(text: str) -> int:
    return number(text, 0, 1000)


def _quantity(text: str) -> float:
    return _between(text, 0, _MOST)


def _positive(text: str) -> float:
    return _between(text, 0.01, _MOST)


def _layer_mib(text: str) -> float:
    return _between(text, 0, _LARGEST_MIB)


def _share(text: str) -> float:
    return _between(text, 0, 1)


def _between(text: str, least: float, most: float) -> float:
    """:raises ArgumentTypeError: when it is no number, or out of bounds."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
    return value
