"""Recognize failures of a connector's network by the words of many libraries, and name the next step."""

import re

__all__ = ["network_hint"]

_LOCAL = re.compile(r"\blocalhost\b|\b127\.\d+\.\d+\.\d+\b|(?<![\w:])::1(?!\w)", re.IGNORECASE)
_REFUSED = re.compile(r"connection\b.{0,60}?\brefused|ECONNREFUSED|can't connect to .{0,60}\(111\b", re.IGNORECASE)
_UNKNOWN_HOST = re.compile(
    r"could not translate host name|name or service not known|temporary failure in name resolution"
    r"|nodename nor servname|name does not resolve|unknown ?host|getaddrinfo (?:failed|ENOTFOUND|EAI_AGAIN)"
    r"|no such host|failed to resolve|NameResolutionError|unknown (?:mysql|server) (?:server )?host",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"no route to host|network is unreachable|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|connect(?:ion)? timed? ?out"
    r"|connect timeout",
    re.IGNORECASE,
)
_PAGE = "see `runner/guides/networks.md`"


def network_hint(message: str) -> str | None:
    """Return the next step for a failure to reach a server; None for another failure.

    >>> network_hint("connection to server at 'localhost', port 5432 failed: Connection refused")[:36]
    'in a container, `localhost` is the c'
    """
    refused = _REFUSED.search(message)
    unreachable = _UNREACHABLE.search(message)
    if (refused or unreachable) and _LOCAL.search(message):
        return (
            "in a container, `localhost` is the container itself: for a server on this machine, set the host to"
            ' `host.docker.internal` and `extra_hosts: ["host.docker.internal:host-gateway"]`; for one in a container,'
            f" set its name and `network:`; {_PAGE}"
        )
    if refused:
        return f"check the port, and that the server listens on all its addresses; {_PAGE}"
    if _UNKNOWN_HOST.search(message):
        return (
            "check the name of the host; the name of a container is only known in its network: `docker network ls`"
            f" lists networks for `network:`; {_PAGE}"
        )
    if unreachable:
        return f"check the address and firewalls; other containers are only reached with `network:`; {_PAGE}"
    return None
