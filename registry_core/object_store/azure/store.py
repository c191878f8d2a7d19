"""`ObjectStore` on Azure Blob Storage. A method is one HTTP request unless it says otherwise.

Each is documented at learn.microsoft.com/rest/api/storageservices/, on the page that it names.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from ..errors import ConditionFailed, NotFound
from ..interface import (
    UNCONDITIONAL,
    Buffer,
    Condition,
    Page,
    Properties,
    StagedBlocks,
    StoredObject,
    StoredRange,
    check_metadata,
    check_source_range,
    exists,
)
from .access_check import check_all, permits
from .account import account_name_of, parse_connection_string
from .batch import DELETION, BlobDeleter
from .blocks import block_list, encode_block_id, read_block_list, read_staged_blocks
from .client import ACCEPT_XML, DEFAULT_API_VERSION, XML, BlobClient
from .container import Container
from .copying import Copier, Copy, Part
from .delegation_key import fetch_key
from .errors import (
    AccessDenied,
    HierarchicalNamespace,
    StorageTarget,
)
from .identity import AzureIdentity, BearerToken
from .limits import KIB, Limits
from .listing import METADATA, UNCOMMITTED, BlobLister
from .lost_answers import find_own_commit, find_own_metadata, find_own_put
from .properties import (
    condition_headers,
    metadata_headers,
)
from .reading import BlobReader
from .session import Attempts
from .shared_key import SharedKey
from .signing import DelegatedSigner, KeySigner, Signer

_log = logging.getLogger(__name__)

T = TypeVar("T")

_DEFAULT_LIMITS = Limits()
_OWN_IDENTITY = AzureIdentity()

_SMALL = 64 * KIB
"""Bytes: a write of up to so many has the time limit `Limits.small_write`."""

_NO_ETAG = Condition(if_match='"0x0"')
_OCTETS = {"Content-Type": "application/octet-stream"}

# Headers of a container's properties, and what they say if they are "true".
_IMMUTABILITY = {
    "x-ms-has-immutability-policy": "an immutability policy",
    "x-ms-has-legal-hold": "a legal hold",
}


class AzureBlobStore:
    """An `ObjectStore` in a container of Azure Blob Storage.

    Make one with `from_connection_string`, `from_key` or `from_identity`, and close it on the event
    loop on which it is used. Any number of calls may be in progress at a time. Options of these
    methods: ``limits`` bound time, retries and copies; ``api_version`` is the version of the
    protocol, ``x-ms-version``; ``on_call`` is called for every attempt with its HTTP method and the
    operation; ``connector`` makes aiohttp's connector.
    """

    def __init__(self, client: BlobClient, signer: Signer) -> None:
        self._container = Container(client, signer)
        self._copier = Copier(self, self._container)
        self._reader = BlobReader(self._container)
        self._lister = BlobLister(self._container)
        self._deleter = BlobDeleter(self, self._container)

    @classmethod
    def from_connection_string(cls, connection_string: str, container: str, **options: Any) -> Self:
        """Connect with a connection string that has an account key.

        :raises ValueError: the connection string is not valid or has no account key.
        """
        account = parse_connection_string(connection_string)
        return cls.from_key(account.service_url, container, account.name, account.key, **options)

    @classmethod
    def from_key(
        cls,
        service_url: str,
        container: str,
        account: str,
        key: str,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        api_version: str = DEFAULT_API_VERSION,
        **options: Any,
    ) -> Self:
        """Connect with the name and a key of the storage account.

        :raises ValueError: the key is not base64, or ``api_version`` is not supported.
        """
        client = BlobClient(
            service_url,
            StorageTarget(account, container),
            SharedKey(account, key),
            limits=limits,
            api_version=api_version,
            **options,
        )
        return cls(client, KeySigner(service_url, account, key, version=api_version))

    @classmethod
    def from_identity(
        cls,
        service_url: str,
        container: str,
        identity: AzureIdentity = _OWN_IDENTITY,
        *,
        account: str | None = None,
        limits: Limits = _DEFAULT_LIMITS,
        api_version: str = DEFAULT_API_VERSION,
        clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> Self:
        """Connect as an identity of Entra ID. No token is requested before it is needed.

        :param account: the account's name, which the URL of a custom domain does not have.
        :param clock: like `time.time`; decides when tokens and keys are refreshed.
        :raises ValueError: ``service_url`` is not an HTTPS URL, or ``api_version`` not supported.
        """
        if not service_url.startswith("https://"):
            raise ValueError("tokens of an identity are sent over HTTPS only")
        name = account or account_name_of(service_url)
        client = BlobClient(
            service_url,
            StorageTarget(name, container, str(identity)),
            BearerToken(identity, seconds=limits.sign_in, clock=clock),
            limits=limits,
            api_version=api_version,
            **options,
        )

        signer = DelegatedSigner(
            service_url, name, partial(fetch_key, client), version=api_version, clock=clock
        )
        return cls(client, signer)

    async def ensure_container(self) -> None:
        """Create the container unless it exists. One call. REST: create-container."""
        try:
            await self._container.send(
                "ensure_container", "PUT", None, query={"restype": "container"}
            )
        except ConditionFailed:
            return

    async def check_access(self, path: str, *, writes: bool = True, signs: bool = True) -> None:
        """Use each permission once. Two concurrent calls; none with an account key.

        ``path`` is a path without an object among those that the registry uses, as roles may be
        limited to paths. ``writes`` says whether the registry will write, ``signs`` whether it will
        sign URLs, which redirects and copies need. The signing key is kept for later use.

        :raises StoreUnavailable: a permission is missing; the text names the role, the account, the
            container and the identity.
        """
        signer = self._container.signer
        if not isinstance(signer, DelegatedSigner):
            return
        # On a condition that cannot hold, whether there is a blob or not.
        use = (
            self._put(path, b"", {}, _NO_ETAG, Attempts(), operation="check_access")
            if writes
            else self._container.send("check_access", "HEAD", path)
        )
        await check_all(permits(use), *([signer.prepare()] if signs else []))

    async def check_namespace(self) -> None:
        """Check that the account has a flat namespace. One call. REST: get-account-information.

        Passes where that cannot be found out: not every role permits the call, and an emulator may
        not say it. A listing that has directories fails in any case.

        :raises HierarchicalNamespace: it has directories.
        """
        try:
            headers = await self._container.send(
                "account_information",
                "GET",
                None,
                query={"restype": "account", "comp": "properties"},
            )
        except AccessDenied:
            return
        if headers.get("x-ms-is-hns-enabled", "").lower() == "true":
            raise HierarchicalNamespace(self._container.client.target.account)

    async def immutability(self) -> Sequence[str]:
        """Return what forbids changes in the container: policies, holds. One call.

        REST: get-container-properties.
        """
        headers = await self._container.send(
            "container_properties", "HEAD", None, query={"restype": "container"}
        )
        return [what for name, what in _IMMUTABILITY.items() if headers.get(name) == "true"]

    async def head(self, path: str) -> Properties:
        """See `ObjectStore`. REST: get-blob-properties."""
        return await self._reader.head(path, UNCONDITIONAL)

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        """See `ObjectStore`. REST: get-blob."""
        return await self._reader.get(path, limit, condition)

    async def get_range(
        self, path: str, offset: int, length: int, *, condition: Condition = UNCONDITIONAL
    ) -> StoredRange:
        """See `ObjectStore`, and `BlobReader.get_range`. REST: get-blob."""
        return await self._reader.get_range(path, offset, length, condition)

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        """See `ObjectStore`. REST: put-blob."""
        attempts, checked = Attempts(), check_metadata(metadata)
        try:
            return await self._put(path, content, checked, condition, attempts)
        except ConditionFailed:
            own = attempts.answer_lost and await find_own_put(self, path, content, checked)
            if not own:
                raise
            return own

    async def _put(
        self,
        path: str,
        content: Buffer,
        metadata: Mapping[str, str],
        condition: Condition,
        attempts: Attempts,
        *,
        operation: str = "put",
    ) -> str:
        is_small = memoryview(content).nbytes <= _SMALL
        return await self._container.write(
            operation,
            path,
            query=self._container.small_write() if is_small else {},
            headers={
                **_OCTETS,
                "x-ms-blob-type": "BlockBlob",
                **metadata_headers(metadata),
                **condition_headers(condition),
            },
            body=content,
            attempts=attempts,
        )

    async def set_metadata(
        self, path: str, metadata: Mapping[str, str], *, condition: Condition = UNCONDITIONAL
    ) -> str:
        """See `ObjectStore`. REST: set-blob-metadata."""
        attempts, checked = Attempts(), check_metadata(metadata)
        try:
            return await self._container.write(
                "set_metadata",
                path,
                query={"comp": "metadata", **self._container.small_write()},
                headers={**metadata_headers(checked), **condition_headers(condition)},
                attempts=attempts,
            )
        except ConditionFailed:
            own = attempts.answer_lost and await find_own_metadata(self, path, checked)
            if not own:
                raise
            return own

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        """See `ObjectStore`. REST: put-block."""
        await self._container.send(
            "stage",
            "PUT",
            path,
            query={"comp": "block", "blockid": encode_block_id(block_id)},
            headers={**_OCTETS, "Content-MD5": base64.b64encode(md5).decode()},
            body=content,
        )

    async def stage_from(
        self,
        path: str,
        block_id: str,
        source: str,
        *,
        offset: int = 0,
        length: int | None = None,
        source_etag: str | None = None,
    ) -> None:
        """See `ObjectStore`. REST: put-block-from-url."""
        check_source_range(offset, length)
        await self._copier.stage_from(path, block_id, Part(source, offset, length, source_etag))

    async def commit(
        self,
        path: str,
        block_ids: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        """See `ObjectStore`. REST: put-block-list."""
        attempts, checked = Attempts(), check_metadata(metadata)
        try:
            return await self._container.write(
                "commit",
                path,
                query={"comp": "blocklist"},
                headers={**XML, **metadata_headers(checked), **condition_headers(condition)},
                body=await block_list(block_ids),
                attempts=attempts,
            )
        except ConditionFailed:
            own = attempts.answer_lost and await find_own_commit(self, path, block_ids)
            if not own:
                raise
            return own

    async def committed_blocks(self, path: str) -> tuple[str, Sequence[str]]:
        """See `ObjectStore`. REST: get-block-list."""
        query = {"comp": "blocklist", "blocklisttype": "committed"}
        answer = await self._container.read(
            "committed_blocks", "GET", path, read_block_list, query=query, headers=ACCEPT_XML
        )
        etag, block_ids = answer.value
        if not block_ids:  # storage answers likewise where blocks are staged and no object is
            etag = (await self.head(path)).etag
        return etag, block_ids

    async def uncommitted_blocks(self, path: str) -> StagedBlocks:
        """See `ObjectStore`. REST: get-block-list."""
        query = {"comp": "blocklist", "blocklisttype": "uncommitted"}
        answer = await self._container.read(
            "uncommitted_blocks", "GET", path, read_staged_blocks, query=query, headers=ACCEPT_XML
        )
        return answer.value

    async def copy(
        self,
        path: str,
        source: str,
        *,
        size: int,
        metadata: Mapping[str, str],
        source_etag: str | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        """See `ObjectStore`, and `Copier.copy`. REST: copy-blob-from-url."""
        if not metadata:
            raise ValueError("a copy needs metadata of its own: storage would copy the source's")
        copy = Copy(path, source, size, source_etag, check_metadata(metadata), condition)
        return await self._copier.copy(copy)

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        """See `ObjectStore`. REST: delete-blob. Snapshots of the object go with it."""
        attempts = Attempts()
        try:
            await self._container.send(
                "delete",
                "DELETE",
                path,
                query=self._container.small_write(),
                headers={**DELETION, **condition_headers(condition)},
                attempts=attempts,
            )
        except NotFound:
            if not attempts.answer_lost:
                raise
        except ConditionFailed:  # Azurite's answer for an object that does not exist
            if not attempts.answer_lost or await exists(self, path):
                raise

    async def delete_batch(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        """See `ObjectStore`. REST: blob-batch, delete-blob."""
        return await self._deleter.delete(items)

    async def list_page(
        self,
        prefix: str,
        *,
        by_folder: bool = False,
        metadata: bool = False,
        uncommitted: bool = False,
        start_from: str | None = None,
        continuation: str | None = None,
        limit: int = 5000,
    ) -> Page:
        """See `ObjectStore`. REST: list-blobs."""
        include = [METADATA] * metadata + [UNCOMMITTED] * uncommitted
        return await self._lister.list_page(
            prefix,
            by_folder=by_folder,
            include=",".join(include),
            start_from=start_from,
            continuation=continuation,
            limit=limit,
        )

    async def signed_url(self, path: str, *, seconds: int) -> str:
        """See `ObjectStore`. No call with an account key; with an identity one a day."""
        signature = await self._container.sign(path, seconds)
        return self._container.signed_url(path, signature)

    async def staging_url(self, path: str, *, seconds: int) -> str:
        """See `ObjectStore`. REST: put-block. The calls of `signed_url`."""
        signature = await self._container.sign(path, seconds, permissions="w")
        return f"{self._container.signed_url(path, signature)}&comp=block"

    async def close(self) -> None:
        """See `ObjectStore`."""
        await self._container.close()
