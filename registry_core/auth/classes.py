"""Classes of repositories: images and plugins, which a token may tell apart.

Source: distribution's registry/handlers/manifests.go, "applyResourcePolicy".
"""

from __future__ import annotations

from collections.abc import Collection

from ..spec.errors import Denied
from ..spec.manifest import Document
from ..spec.media_types import DOCKER_CONFIG, DOCKER_PLUGIN_CONFIG, OCI_CONFIG
from .caller import Caller, Granted

IMAGE = "image"
_OF_CONFIG = {OCI_CONFIG: IMAGE, DOCKER_CONFIG: IMAGE, DOCKER_PLUGIN_CONFIG: "plugin"}
CLASSES = frozenset(_OF_CONFIG.values())


def check_class(
    manifest: Document, repository: str, caller: Caller, allowed: Collection[str]
) -> None:
    """The class of what is pushed must be allowed, and be the one that the caller's token names.

    An index has no class: what it lists has. A token without a class is for images.

    :raises Denied: it is another class, or none that is known.
    """
    if manifest.config is None:
        return
    media_type = manifest.config.media_type
    pushed = _OF_CONFIG.get(media_type)
    if pushed is None:
        raise Denied(f"a manifest whose config is {media_type} has no class that is known")
    if pushed not in allowed:
        raise Denied(f"the registry takes no manifest of class {pushed}")
    granted = _granted(caller, repository)
    if granted and pushed not in granted:
        raise Denied(f"{repository} may not be pushed to with class {pushed}")


def _granted(caller: Caller, repository: str) -> set[str]:
    """None at all for a caller whose permissions do not come from a token."""
    if not isinstance(caller.permissions, Granted):
        return set()
    resources = [scope.resource for scope in caller.permissions.scopes]
    return {r.resource_class or IMAGE for r in resources if r.name == repository}
