"""Read the documents of a registry: from the cache, from a web server, or from a file. Each has limits."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import orjson
import requests

from tapdock import __version__
from tapdock.cache import Cache
from tapdock.errors import UsageError
from tapdock.text.clean import one_line
from tapdock.text.secret_names import masked_text

__all__ = ["FRESH", "Missing", "Reader", "is_address", "loses_tls"]

T = TypeVar("T")
FRESH = 24 * 3600.0
"""How old a cached document may be, in seconds."""
_MOST_BYTES = 64 << 20
_MOST_REDIRECTS = 5
_CONNECT, _SILENT, _WHOLE = 10.0, 30.0, 120.0
"""Limits in seconds: for a connection, for a silent server, for a whole document."""
_HINT = "check the address and the proxy, or name a mirror or a file under `registries:` in tapdock.yaml"


class Missing(UsageError):
    """The registry was reached, and has no such document."""


class _Refused(Exception):
    """Why a document is not read."""


def is_address(text: str) -> bool:
    """Return True for the address of a web server, False for the path of a file."""
    return text.lower().startswith(("http://", "https://"))


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads JSON documents, each once. Relative paths begin at `folder`.

    `ages` becomes the age of the oldest cached document of each registry, in seconds. A `fresh` reader does not use the
    cache. It still writes it.
    """

    cache: Cache
    folder: Path
    now: Callable[[], float]
    fresh: bool = False
    ages: dict[str, float] = field(default_factory=dict)
    _known: dict[str, Any] = field(default_factory=dict, repr=False)

    def read(self, what: str, address: str, parse: Callable[[Any], T]) -> T:
        """Return what `parse` makes of a document. It raises ValueError for a document that is malformed.

        `what` is the name of the registry. Raises UsageError, Missing for a document that does not exist.
        """
        try:
            if address not in self._known:
                read = self._web(what, address, parse) if is_address(address) else self._file(address, parse)
                self._known[address] = read
            found: T = self._known[address]
            return found
        except FileNotFoundError as error:
            raise Missing(f"{what} cannot be read: {_shown(address)} does not exist", hint=_HINT) from error
        except (OSError, requests.RequestException) as error:
            message = f"{what} cannot be reached: {_shown(address)}: {_reason(error)}"
            raise UsageError(message, hint=_HINT, retryable=True) from error
        except _Refused as error:
            raise UsageError(f"{what} cannot be read: {_shown(address)}: {error}", hint=_HINT) from error
        except (ValueError, RecursionError) as error:
            reason = masked_text(one_line(str(error)))
            raise UsageError(f"{what} is malformed: {_shown(address)}: {reason}", hint=_HINT) from error

    def _file(self, address: str, parse: Callable[[Any], T]) -> T:
        scheme, separator, path = address.partition("://")
        if separator and scheme.lower() != "file":
            raise _Refused(f"`{scheme}` is not `http`, `https` or `file`")
        file = self.folder / Path(unquote(path) if separator else address).expanduser()
        with file.open("rb") as opened:
            return parse(_json(opened.read(_MOST_BYTES + 1)))

    def _web(self, what: str, address: str, parse: Callable[[Any], T]) -> T:
        name = f"registry-{hashlib.sha256(address.encode()).hexdigest()[:32]}.json"
        now = self.now()
        kept = None if self.fresh else self.cache.read(name, written=(now - FRESH, now))
        if kept is not None:
            try:
                found = parse(_json(kept))
            except (_Refused, ValueError, RecursionError):
                pass  # a damaged cache: read the document again
            else:
                self.ages[what] = max(self.ages.get(what, 0.0), now - (self.cache.written(name) or now))
                return found
        content = _downloaded(address)
        found = parse(_json(content))
        self.cache.write(name, content)  # only a document that could be parsed
        return found


def _downloaded(address: str) -> bytes:
    """Return the content at an address. Proxies, certificates and `.netrc` are those that `requests` finds."""
    end = time.monotonic() + _WHOLE
    headers = {"User-Agent": f"tapdock/{__version__}", "Accept": "application/json"}
    with requests.Session() as session:
        session.max_redirects = _MOST_REDIRECTS
        with session.get(address, headers=headers, timeout=(_CONNECT, _SILENT), stream=True) as response:
            if loses_tls([each.url for each in (*response.history, response)]):
                raise _Refused("it redirects from https to http")
            if response.status_code in (404, 410):
                raise FileNotFoundError(address)
            if not response.ok:
                raise _Refused(f"the server answered {response.status_code} {response.reason}")
            content = bytearray()
            for part in response.iter_content(1 << 16):
                content += part
                if len(content) > _MOST_BYTES:
                    break
                if time.monotonic() > end:
                    raise _Refused(f"it took longer than {_WHOLE:.0f} s")
    return bytes(content)


def _json(content: bytes) -> Any:
    if len(content) > _MOST_BYTES:
        raise _Refused(f"it is larger than {_MOST_BYTES >> 20} MiB")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from error


def loses_tls(way: Sequence[str]) -> bool:
    """Return True if one of these redirects leads from https to http, where anybody could change the answer.

    >>> loses_tls(["http://a", "https://b"]), loses_tls(["https://a", "https://b", "http://c"])
    (False, True)
    """
    schemes = [urlsplit(address).scheme for address in way]
    return ("https", "http") in pairwise(schemes)


def _shown(address: str) -> str:
    return masked_text(one_line(address))


def _reason(error: Exception) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not trusted (REQUESTS_CA_BUNDLE names a file of other authorities)"
        case requests.exceptions.ProxyError():
            return "the proxy of HTTP_PROXY or HTTPS_PROXY cannot be used"
        case requests.exceptions.ConnectTimeout():
            return f"no connection within {_CONNECT:.0f} s"
        case requests.exceptions.Timeout():
            return f"no answer within {_SILENT:.0f} s"
        case requests.exceptions.TooManyRedirects():
            return f"it redirects more than {_MOST_REDIRECTS} times"
        case requests.exceptions.ConnectionError():
            return "no connection (name not found, refused, or closed)"
        case OSError() if error.strerror:
            return error.strerror
    return masked_text(one_line(str(error)))
