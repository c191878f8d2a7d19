"""Which hosts belong together, so that a login for the one may be sent to the other.

A registry names the host of its token service in its challenge. Docker's clients, containerd and
go-containerregistry send the login there, whichever host it is; distribution, as a cache of another
registry, sends it to the same host and within the same registrable domain only
(registry/proxy/proxyauth.go, ``realmAllowed``, by the public suffix list). The latter is done here:
a challenge that was altered, or that a redirect has led to, does not carry the login to a stranger.
It covers registry-1.docker.io and auth.docker.io, registry.gitlab.com and gitlab.com, and whoever
has the token service on the registry's host; `ClientOptions.realms` allows others by name.

The public suffix list, which changes weekly, is not used. Instead, domains under which strangers
have hosts side by side are taken for unrelated.
"""

from __future__ import annotations

from .addresses import address_of
from .origins import is_loopback_host

# Hosting by cloud providers and the like: entries of the public suffix list's private section, or
# their parents.
_SHARED = tuple(
    f".{domain}"
    for domain in (
        *("azurewebsites.net", "azurecontainerapps.io", "azurefd.net", "azure-api.net"),
        *("azurestaticapps.net", "trafficmanager.net", "cloudapp.azure.com", "cloudapp.net"),
        *("azurecr.io", "windows.net", "azure.net", "azureedge.net", "azurecontainer.io"),
        *("amazonaws.com", "amazonaws.com.cn", "awsapprunner.com", "cloudfront.net", "on.aws"),
        *("elasticbeanstalk.com", "run.app", "appspot.com", "web.app", "pkg.dev", "cloud.goog"),
        *("github.io", "github.dev", "gitlab.io", "herokuapp.com", "fly.dev", "onrender.com"),
        *("vercel.app", "netlify.app", "pages.dev", "workers.dev", "ngrok.io", "ngrok.app"),
        *("ngrok-free.app", "ngrok.dev", "trycloudflare.com", "ts.net", "nip.io", "sslip.io"),
        *("duckdns.org", "dyndns.org", "no-ip.org", "ondigitalocean.app", "scw.cloud", "ovh.net"),
        *("railway.app", "repl.co", "replit.app", "loca.lt", "serveo.net", "devtunnels.ms"),
    )
)
# Under many countries' domains, registrations are made below these.
_SECOND_LEVEL = frozenset(
    (
        *("ac", "co", "com", "edu", "gen", "go", "gob", "gov", "gv", "id", "in", "info", "ltd"),
        *("me", "mil", "ne", "net", "nom", "or", "org", "plc", "sch", "web"),
    )
)


def is_same_site(one: str, other: str) -> bool:
    """Return whether two hosts are the same, or within one registrable domain."""
    if one == other:
        return True
    domain = _registrable_domain(one)
    return domain is not None and domain == _registrable_domain(other)


def _registrable_domain(host: str) -> str | None:
    """Return the domain that somebody has registered; None where that cannot be known."""
    labels = host.split(".")
    if len(labels) < 2 or is_loopback_host(host) or address_of(host) is not None:
        return None
    if f".{host}".endswith(_SHARED):
        return None
    is_country = len(labels[-1]) == 2
    depth = 3 if is_country and labels[-2] in _SECOND_LEVEL else 2
    return ".".join(labels[-depth:]) if len(labels) >= depth else None
