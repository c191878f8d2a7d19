"""Samples of what azd hands to infra/, and what comes of them."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from registry_core.auth.sources.htpasswd import LEAST_COST, htpasswd_line
from registry_core.auth.tokens.keys import SigningKey
from tests.support.bicep import Deployed, Instance, Template, read_template
from tests.support.bicep.app_settings import app_settings, resolved

from .project import PROJECT

SECRET = "d9f4c1e2a7b85036"
ISSUER = {
    "REGISTRY_AUTH_TOKEN_REALM": "https://tokens.example.com/token",
    "REGISTRY_AUTH_TOKEN_SERVICE": "registry.example.com",
    "REGISTRY_AUTH_TOKEN_ISSUER": "tokens.example.com",
    "REGISTRY_AUTH_TOKEN_JWKS": "https://tokens.example.com/keys",
}


@cache
def key() -> str:
    return SigningKey.generate().pem()


@cache
def users() -> str:
    return htpasswd_line("alice", "correct horse battery", LEAST_COST)


def environment(mode: str, **more: Any) -> dict[str, str]:
    return environment_of(instance(mode, **more))


def environment_of(instance: Instance) -> dict[str, str]:
    """What the app's process finds, with the vault's references resolved."""
    deployed = list(instance.deployed())
    return resolved(app_settings(deployed), deployed) | {"WEBSITE_SITE_NAME": "func-sample"}


def deployment(mode: str = "builtin", **more: Any) -> list[Deployed]:
    return list(instance(mode, **more).deployed())


def instance(mode: str = "builtin", **more: Any) -> Instance:
    return Instance(template(), template().main, given(mode) | more)


def given(mode: str) -> dict[str, Any]:
    """What azd hands on, after its hook has made what is secret."""
    return {
        "environmentName": "sample",
        "location": "westeurope",
        "httpSecret": SECRET,
        "signingKeyBase64": base64.b64encode(key().encode()).decode(),
        "usersBase64": base64.b64encode(users().encode()).decode(),
        "firstUser": "alice",
        "authMode": mode,
        "registrySettings": ISSUER if mode == "token" else {},
    }


@cache
def template() -> Template:
    return read_template(PROJECT / "infra")[0]
