"""What each endpoint needs: one row for each, none without.

Source: distribution's registry/handlers/app.go, "appendAccessRecords". Cancelling an upload is a
part of pushing.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..spec import endpoints as e
from .scopes import DELETE, PULL, PUSH, WHOLE_CATALOG, Scope, repository

ACTIONS: Mapping[type[e.Endpoint], tuple[str, ...]] = {
    e.GetBlob: (PULL,),
    e.HeadBlob: (PULL,),
    e.GetManifest: (PULL,),
    e.HeadManifest: (PULL,),
    e.ListTags: (PULL,),
    e.ListReferrers: (PULL,),
    e.StartUpload: (PULL, PUSH),
    e.MountBlob: (PULL, PUSH),
    e.GetUpload: (PULL,),
    e.AppendUpload: (PULL, PUSH),
    e.FinishUpload: (PULL, PUSH),
    e.CancelUpload: (PUSH,),
    e.PushManifest: (PULL, PUSH),
    e.DeleteManifest: (DELETE,),
    e.DeleteBlob: (DELETE,),
}
"""Of endpoints of a repository: what must be allowed there."""


def wanted(endpoint: e.Endpoint) -> tuple[Scope, ...]:
    """What a client had better ask for beside that: without it the request does less."""
    if isinstance(endpoint, e.MountBlob) and endpoint.source is not None:
        return (repository(endpoint.source, PULL),)
    return ()


def needed(endpoint: e.Endpoint) -> tuple[Scope, ...]:
    """What a caller must be allowed; nothing but to be somebody, for the version check."""
    if isinstance(endpoint, e.CheckVersion):
        return ()
    if isinstance(endpoint, e.ListCatalog):
        return (WHOLE_CATALOG,)
    actions = ACTIONS[type(endpoint)]
    name: str = getattr(endpoint, "repository")  # noqa: B009 - all the rest are of a repository
    return (repository(name, *actions),)
