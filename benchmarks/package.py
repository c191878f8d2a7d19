"""`python -m benchmarks.package`: how large is what is published, and what it installs in Azure."""

from __future__ import annotations

import tempfile
from importlib.metadata import Distribution
from pathlib import Path

from tests.support.package import Published, clone_to, publish

from .scale import KIB

_SHOWN = 0.02  # of all packages together; the smaller ones share a row


def main() -> None:
    """Publish to a temporary folder, install what requirements.txt names, and print the sizes."""
    with tempfile.TemporaryDirectory(prefix="package-") as scratch:
        clone, folder, environment = (Path(scratch, name) for name in ("clone", "app", "python"))
        folder.mkdir()
        clone_to(clone)
        print(table(publish(clone, folder, environment)))


def table(published: Published) -> str:
    """The sizes in KiB, as Markdown."""
    app = sum((published.folder / name).stat().st_size for name in published.files)
    sizes = {name: _size(package) for name, package in published.installed().items()}
    total = sum(sizes.values())
    large = {name: size for name, size in sizes.items() if size >= _SHOWN * total}
    rows = [
        ("the package, compressed", published.zip_size),
        (f"its {len(published.files)} files", app),
        (f"the {len(sizes)} packages that it needs", total),
        *sorted(((f"`{name}`", size) for name, size in large.items()), key=lambda row: -row[1]),
        (f"the {len(sizes) - len(large)} others", total - sum(large.values())),
    ]
    lines = ["| what | KiB |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {what} | {round(size / KIB)} |" for what, size in rows)])


def _size(package: Distribution) -> int:
    """In bytes, without the bytecode that pip may have added."""
    paths = [Path(str(package.locate_file(file))) for file in package.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


if __name__ == "__main__":
    main()
