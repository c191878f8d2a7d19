"""A registry as an ASGI application, for programs that make the registry themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from ..aio import Lazy
from ..auth.caller import Authenticator, Open
from ..auth.shared_secret import ADVICE, weakness
from ..registry import Registry
from ..spec.origins import Origins
from .application import Application, do_nothing
from .context import ServerContext
from .cors import Cors
from .sealing import PAGE, Sealer
from .sessions import SessionSealer
from .urls import Urls


def asgi(
    registry: Registry,
    *,
    secret: str,
    authenticator: Authenticator | None = None,
    public_url: str | None = None,
    relative_urls: bool = False,
    repository_classes: Collection[str] = (),
    cors_origins: Collection[str] = (),
    shutdown: Callable[[], Awaitable[None]] = do_nothing,
) -> Application:
    """Return an ASGI application that serves a registry.

    :param secret: seals the state of uploads and the links from page to page of a listing.
        Every process that serves the registry needs the same, and after a restart too: an upload
        or a listing continues in any of them.
    :param authenticator: authenticates callers. Without one, everybody may do everything.
    :param public_url: scheme and host of the registry for clients, such as
        ``https://registry.example.com``. By default they are taken from each request.
    :param relative_urls: leave scheme and host out of ``Location`` headers.
    :param repository_classes: the classes of manifests that may be pushed (``image``, ``plugin``);
        empty: all manifests.
    :param cors_origins: the origins of web pages that may use the registry in a browser, such as
        ``https://ui.example.com``; ``*`` for all.
    :param shutdown: called at the end of the ASGI lifespan, such as ``store.close``.
    :raises ValueError: the secret is shorter than 32 characters, or easy to guess; or an origin is
        not one.
    """
    if problem := weakness(secret):
        raise ValueError(f"the secret {problem}; give a random one, {ADVICE}")
    context = ServerContext(
        Lazy.of(registry),
        SessionSealer(secret),
        Urls(public_url, relative_urls),
        authenticator or Open(),
        repository_classes,
        pages=Sealer(secret, PAGE),
    )
    return Application(context, cors=Cors(Origins.parse(cors_origins)), shutdown=shutdown)
