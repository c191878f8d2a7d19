"""Copy a registry's files from a folder into a container and back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azure.storage.blob import ContainerClient

from registry_core.serve.azurite import Azurite
from tests.support.azurite import container_client

_AT_ONCE = 4
_PIECE = 4 << 20  # distribution appends pieces of this size


def load_tree(
    azurite: Azurite, container: str, folder: Path, *, root: str, append: bool = False
) -> None:
    """Upload every file below ``folder``; a blob's name is ``root`` and the file's path.

    With ``append``, write append blobs, as some versions of distribution do.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    load = _append if append else _put
    with container_client(azurite, container) as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [
            threads.submit(load, client, f"{root}{path.relative_to(folder)}", path.read_bytes())
            for path in files
        ]:
            done.result()


def load_changes(
    azurite: Azurite, container: str, folder: Path, *, root: str, since: float
) -> list[str]:
    """Upload the files that were written since a Unix time. Returns their paths in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime >= since]
    with container_client(azurite, container) as client:
        for path in files:
            name = f"{root}{path.relative_to(folder)}"
            client.upload_blob(name, path.read_bytes(), overwrite=True)
    return [str(path.relative_to(folder)) for path in files]


def _put(client: ContainerClient, name: str, content: bytes) -> None:
    client.upload_blob(name, content)


def _append(client: ContainerClient, name: str, content: bytes) -> None:
    blob = client.get_blob_client(name)
    blob.create_append_blob()
    for start in range(0, len(content), _PIECE):
        blob.append_block(content[start : start + _PIECE])


def write_tree(azurite: Azurite, container: str, folder: Path, *, root: str) -> None:
    """Download every blob whose name begins with ``root`` to ``folder``."""
    with container_client(azurite, container) as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [
            threads.submit(_write, client, name, folder / name.removeprefix(root))
            for name in client.list_blob_names(name_starts_with=root)
        ]:
            done.result()


def _write(client: ContainerClient, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        client.download_blob(name).readinto(file)
