"""Classes of repositories, images and plugins, which a token may distinguish.

Source: distribution's registry/handlers/manifests.go, "applyResourcePolicy".
"""

from __future__ import annotations

from collections.abc import Collection

from ..spec.errors import Denied
from ..spec.manifest import ManifestDocument
from ..spec.media_types import DOCKER_CONFIG, DOCKER_PLUGIN_CONFIG, OCI_CONFIG
from .caller import Caller, Granted

IMAGE = "image"
_BY_CONFIG = {OCI_CONFIG: IMAGE, DOCKER_CONFIG: IMAGE, DOCKER_PLUGIN_CONFIG: "plugin"}
CLASSES = frozenset(_BY_CONFIG.values())


def check_class(
    manifest: ManifestDocument, repository: str, caller: Caller, allowed: Collection[str]
) -> None:
    """Check that the manifest's class is allowed, and is the one that the caller's token names.

    An index has no class: the manifests that it lists have. A token without a class is for images.

    :raises Denied: it is of another class, or of none that is known.
    """
    if manifest.config is None:
        return
    media_type = manifest.config.media_type
    pushed = _BY_CONFIG.get(media_type)
    if pushed is None:
        raise Denied(f"a manifest with the config {media_type} belongs to no known class")
    if pushed not in allowed:
        raise Denied(f"the registry does not accept manifests of class {pushed}")
    granted = _granted(caller, repository)
    if granted and pushed not in granted:
        raise Denied(f"the token does not allow pushing class {pushed} to {repository}")


def _granted(caller: Caller, repository: str) -> set[str]:
    """Return the classes that the caller's token names, if they have one."""
    if not isinstance(caller.permissions, Granted):
        return set()
    resources = [scope.resource for scope in caller.permissions.scopes]
    return {r.resource_class or IMAGE for r in resources if r.name == repository}
