"""What refused requests mean: the exceptions of `registry`, naming the registry and repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from ..spec.errors import NameUnknown, RegistryError, TooManyRequests, Unavailable
from ..spec.preconditions import PreconditionFailed
from .errors import PeerUnavailable, UrlRefused
from .session import Session

_ADVICE: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "log in, such as with `docker login {host}`",
    HTTPStatus.FORBIDDEN: "check the permissions of the account that you use at {host}",
    HTTPStatus.TOO_MANY_REQUESTS: "try again later",
}


@contextmanager
def about(
    session: Session,
    repository: str,
    unknown: type[RegistryError] = RegistryError,
    what: object = "",
) -> Iterator[None]:
    """Say in the errors of the block which registry and repository they are about.

    :param repository: empty: none.
    :param unknown: what 404 means here, where the answer does not say it: answers to HEAD have no
        body, and registries differ in whether the repository or the thing in it is unknown.
    :param what: what that is, in words.
    """
    try:
        yield
    except PeerUnavailable:
        raise  # it names its peer
    except RegistryError as error:
        host = session.options.origin.authority
        raise _explained(_specific(error, unknown, what), host, repository) from error


def is_passing(error: RegistryError) -> bool:
    """Return whether the same request may succeed a moment later."""
    if isinstance(error, UrlRefused):
        return False
    if isinstance(error, Unavailable | TooManyRequests):
        return True
    return error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR


class AnswerMalformed(Unavailable):
    """An answer does not follow the specification. ``public``: what is wrong with it."""

    def __init__(self, public: str) -> None:
        super().__init__(public, public=public)


def malformed(what: str) -> AnswerMalformed:
    """Return the error for an answer that does not follow the specification."""
    return AnswerMalformed(f"the registry's answer does not follow the specification: {what}")


def _specific(error: RegistryError, unknown: type[RegistryError], what: object) -> RegistryError:
    """Return the error of the class that its status stands for where it was answered."""
    status = error.http_status
    if status == HTTPStatus.PRECONDITION_FAILED and not isinstance(error, PreconditionFailed):
        return PreconditionFailed(error.message, error.detail)
    if unknown is RegistryError:
        return error
    if status == HTTPStatus.NOT_FOUND and type(error) in (RegistryError, NameUnknown):
        said = f": {error.message}" if error.received else ""
        text = f"{what} is unknown{said}" if what else error.message
        return unknown(text, error.detail, HTTPStatus.NOT_FOUND)
    return error


def _explained(error: RegistryError, host: str, repository: str) -> RegistryError:
    """Return the error, with the place and what to do in its texts."""
    place = f"{host}/{repository}" if repository else host
    if str(error).startswith(f"{place}: "):
        return error  # it has been explained where it was raised
    advice = _ADVICE.get(error.http_status)
    end = f"; {advice.format(host=host)}" if advice else ""
    if error.private:
        error.private = f"{place}: {error.private}{end}"
    if error.message or not error.private:
        error.message = f"{place}: {error.message or error}{end}"
    error.args = (error.private or error.message,)
    return error
