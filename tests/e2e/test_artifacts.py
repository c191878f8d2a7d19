"""Artifacts that are no images, by ORAS's Python library."""

from __future__ import annotations

from pathlib import Path

from oras.client import OrasClient  # type: ignore[import-untyped]


def test_an_artifact_comes_back_as_it_went(registry: str, tmp_path: Path) -> None:
    """Two files and an annotation are pushed, pulled and compared."""
    contents = {"report.json": b'{"findings": []}', "notes.bin": bytes(range(256)) * 4096}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    target, annotations = f"{registry}/artifacts/report:v1", {"org.example.purpose": "test"}
    oras = OrasClient(insecure=True)

    oras.push(
        target,
        files=[str(tmp_path / name) for name in contents],
        manifest_annotations=annotations,
        disable_path_validation=True,
    )
    pulled = [Path(path) for path in oras.pull(target, outdir=str(tmp_path / "pulled"))]

    assert {path.name: path.read_bytes() for path in pulled} == contents
    assert oras.get_manifest(oras.get_container(target))["annotations"] == annotations
