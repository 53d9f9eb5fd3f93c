"""Recognize failures to reach a server, or to log in to it, by the words of many drivers, and name the next step."""

import re

__all__ = ["network_hint"]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.DOTALL)


_PASSWORD = _any(
    r"password authentication failed",  # PostgreSQL
    r"no password (?:supplied|was provided)",
    r"access denied for user '[^']*'@'[^']*' \(using password",  # MySQL
    r"login failed for user '",  # SQL Server
    r"\bbad auth ?: ?authentication failed",  # MongoDB
    r"OperationFailure: authentication failed",
    r"'?codeName'?: '?AuthenticationFailed",
    r"Authentication failed: password is incorrect",  # ClickHouse
    r"incorrect username or password was specified",  # Snowflake
    r"ORA-01017",
    r"\((?:InvalidAccessKeyId|SignatureDoesNotMatch|InvalidClientTokenId|UnrecognizedClientException)\)",  # AWS
    r"unable to locate credentials",
)
_DATABASE = _any(
    r"FATAL:\s+database \"[^\"]*\" does not exist",
    r"unknown database '",
    r"cannot open database \"[^\"]*\" requested by the login",
    r"database '[^']*' does not exist or not authorized",
    r"DB::Exception: Database \S+ (?:does not|doesn't) exist",
    r"ORA-(?:12154|12505|12514)",
    r"\(NoSuchBucket\)",
)
_LOCAL = _any(r"\blocalhost\b", r"\b127\.\d+\.\d+\.\d+\b", r"(?<![\w:])::1(?!\w)")
_SOCKET = _any(r"can't connect to local (?:mysql )?server through socket", r"connection to server on socket \"")
_REFUSED = _any(
    r"connection refused",
    r"connection to \S+ refused",
    r"ECONNREFUSED",
    r"can't connect to .{0,80}\(111\b",
    r"ORA-12541",
)
_NO_ADDRESS = _any(
    r"connect.*cannot assign requested address",
    r"cannot assign requested address.*connect",
    r"connect EADDRNOTAVAIL",
    r"can't connect to .{0,80}\(99\b",
)
_UNKNOWN_HOST = _any(
    r"could not translate host name",
    r"name or service not known",
    r"temporary failure in name resolution",
    r"nodename nor servname",
    r"name does not resolve",
    r"UnknownHostException",
    r"getaddrinfo (?:failed|ENOTFOUND|EAI_AGAIN)",
    r"no such host(?! \w)",
    r"failed to resolve host\b",
    r"NameResolutionError",
    r"unknown (?:mysql |server )*host '",
)
_UNREACHABLE = _any(
    r"no route to host",
    r"network is unreachable",
    r"EHOSTUNREACH|ENETUNREACH|ETIMEDOUT",
    r"connect(?:ion)? timed out",
    r"connection to \S+ timed out",
    r"\(connect timeout=",
    r"connect timeout on endpoint",  # boto
    r"could not connect to the endpoint url",
    r"port \S+ failed: timeout expired",
    r"connection timeout expired",
    r"can't connect to .{0,80}\((?:timed out|110|115)\b",
    r"communications link failure",
    r"the tcp/ip connection to the host",
    r"TDS server is unavailable or does not exist",
    r"\bServerSelectionTimeoutError\b",
    r"connection is not available, request timed out",
)
_PAGE = "see `runner/guides/networks.md`"
_GATEWAY = '`extra_hosts: ["host.docker.internal:host-gateway"]`'


def network_hint(message: str) -> str | None:
    """Return the next step for a failure to reach a server or to log in to it; None for another failure.

    >>> network_hint("connection to server at 'localhost', port 5432 failed: Connection refused")[:36]
    'in a container, `localhost` is the c'
    """
    if _PASSWORD.search(message):  # the server was reached, perhaps after other addresses refused the connection
        return (
            "check the user and the password in `config`; `tapdock config show` names the line or the variable of each "
            "value"
        )
    if _DATABASE.search(message):
        return "check the name of the database, service or bucket in `config`; it must exist before the run"
    refused, unknown = _REFUSED.search(message), _UNKNOWN_HOST.search(message)
    unreachable = _UNREACHABLE.search(message)
    is_local = (refused or unreachable) and _LOCAL.search(message)
    if is_local or _NO_ADDRESS.search(message) or _SOCKET.search(message):
        return (
            "in a container, `localhost` is the container itself: for a server on this machine, set the host to"
            f" `host.docker.internal` and {_GATEWAY}; for one in a container, set its name and `network:`; {_PAGE}"
        )
    if refused:
        return f"check the port, and that the server listens on all its addresses; {_PAGE}"
    if unknown and "host.docker.internal" in message:
        return f"add {_GATEWAY} to the connector; {_PAGE}"
    if unknown:
        return (
            "check the name of the host; the name of a container is only known in its network: `docker network ls`"
            f" lists networks for `network:`; {_PAGE}"
        )
    if unreachable:
        return f"check the address and firewalls; other containers are only reached with `network:`; {_PAGE}"
    return None
