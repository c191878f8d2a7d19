"""Federations that accept the tokens of anybody.

Some issuers sign tokens for everybody who has an account, with any audience that is asked for. What
tells the operator's own workloads apart is the subject, or another claim.

Sources: docs.github.com/actions/reference/openid-connect-reference, "Example subject claims";
docs.gitlab.com/ci/secrets/id_token_authentication, "Token payload".
"""

from __future__ import annotations

import re

from .federation import Federation

PUBLIC_ISSUERS = frozenset(
    {
        "https://token.actions.githubusercontent.com",
        "https://gitlab.com",
        "https://accounts.google.com",
        "https://agent.buildkite.com",
        "https://app.terraform.io",
    }
)
"""Issuers of tokens for everybody: of GitHub Actions, GitLab, Google, Buildkite, HCP Terraform."""

_OWNERS = frozenset(
    {
        *("repository_owner", "repository_owner_id", "repository", "repository_id"),
        *("enterprise", "enterprise_id", "actor_id"),
        *("namespace_path", "namespace_id", "project_path", "project_id", "user_id", "user_login"),
        *("email", "hd", "organization_id", "organization_slug"),
        *("terraform_organization_id", "terraform_organization_name"),
    }
)
"""The claims in which these issuers say whose a token is.

Not ``job_workflow_ref``: anybody may call a reusable workflow of a public repository, with inputs
of their own.
"""

# Whose a token is comes first: repo:ORG/... in a subject, ORG/... in another claim.
_OWNED_SUBJECT = re.compile(r"[^:/*?]+[:/][^:/*?]+[:/]")
_OWNED_CLAIM = re.compile(r"[^:/*?]+(?:[:/]|$)")
_WILDCARD = re.compile(r"[*?]")


def problem_with(federation: Federation) -> str:
    """Return a problem, with advice, if a federation accepts anybody's tokens; otherwise ""."""
    if federation.issuer.rstrip("/") not in PUBLIC_ISSUERS:
        return ""
    if any(
        name in _OWNERS and _OWNED_CLAIM.match(glob) for name, glob in federation.claims.items()
    ):
        return ""
    for glob in federation.subjects:
        if _WILDCARD.search(glob) and not _OWNED_SUBJECT.match(glob):
            return (
                f'"{glob}" accepts the tokens of anybody, since {federation.issuer} issues them to '
                "everybody; begin it with an owner, such as repo:org/, or require a claim such as "
                "repository_owner_id"
            )
    return ""


def warning_about(federation: Federation) -> str:
    """Return a warning if a federation accepts all tokens of its issuer; otherwise ""."""
    if any(map(_beginning, federation.claims.values())):
        return ""
    for glob in federation.subjects:
        if not _beginning(glob):
            return (
                f'"{glob}" does not say whose tokens are accepted: everybody to whom '
                f"{federation.issuer} gives one for this audience can log in"
            )
    return ""


def _beginning(glob: str) -> str:
    """Return the text that whatever matches begins with."""
    return _WILDCARD.split(glob, maxsplit=1)[0]
