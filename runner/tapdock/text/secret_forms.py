"""The forms in which a secret may be printed: quoted, encoded, or line by line."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from tapdock.text.secret_names import is_secret_name

__all__ = ["SHORTEST_SECRET", "Form", "forms_of"]

SHORTEST_SECRET = 6  # shorter ones are parts of too many words
_LONGEST_JSON = 1 << 20
_ESCAPED = re.compile(r"%[0-9A-F]{2}")
_WORD = re.compile(r"[A-Za-z]?[a-z]*|[A-Z]*|[0-9]*")
_ORDINARY = re.compile(r"[A-Za-z .,_-]*|[a-z]+://[^@?]*|-----.*", re.IGNORECASE)
_SAFE_IN_URLS = ("", "/", "!'()*", "*", ":/?#[]@!$&'()*+,;=")  # by RFC 3986, Python, JavaScript, Java, and URI writers


class Form(NamedTuple):
    """Text that reveals a secret. `before` and `after` count the adjacent characters that contain some of its bits."""

    text: str
    before: int = 0
    after: int = 0


def forms_of(secret: str) -> set[Form]:
    """Return every form of a secret, of its lines, and of the values in it if it is JSON.

    Forms and secrets shorter than SHORTEST_SECRET are skipped.
    """
    found: set[Form] = set()
    for value in _values(secret):
        found.update(map(Form, _quoted(value)))
        found.update(_encoded(value.encode(errors="replace")))
    return {form for form in found if len(form.text) >= SHORTEST_SECRET}


def _values(secret: str) -> set[str]:
    """Return the secret, its values if it is JSON, and the lines of all of them."""
    texts = {secret, *_json_values(secret)}
    texts |= {text.replace("\\n", "\n") for text in texts if "\\n" in text}  # private keys in environment variables
    texts |= {line.strip() for text in texts for line in (text, *text.splitlines())}
    return {text for text in texts if len(text.strip()) >= SHORTEST_SECRET}


def _json_values(secret: str) -> Iterator[str]:
    if secret.lstrip()[:1] not in ("{", "[") or len(secret) > _LONGEST_JSON:
        return
    try:
        value = json.loads(secret)
    except (ValueError, RecursionError):
        return
    yield from _leaves(value, hidden=False)


def _leaves(value: Any, *, hidden: bool) -> Iterator[str]:
    """Yield values with the name of a secret, and values that are neither words nor addresses."""
    match value:
        case str() if hidden or not _ORDINARY.fullmatch(value):
            yield value
        case list():
            for item in value:
                yield from _leaves(item, hidden=hidden)
        case Mapping():
            for name, inner in value.items():
                yield from _leaves(inner, hidden=hidden or is_secret_name(name))


def _quoted(value: str) -> set[str]:
    in_json = _in_json(value)
    texts = {value, repr(value)[1:-1], ascii(value)[1:-1], repr(value.encode(errors="replace"))[2:-1]}
    texts |= in_json
    for text in in_json:
        texts |= {*_in_json(text), repr(text)[1:-1]}
    for safe in _SAFE_IN_URLS:
        for text in (quote(value, safe=safe, errors="replace"), quote_plus(value, safe=safe, errors="replace")):
            texts |= {text, _ESCAPED.sub(lambda code: code[0].lower(), text)}
    escaped = html.escape(value)
    texts |= {escaped, html.escape(value, quote=False)}
    texts |= {escaped.replace("&quot;", quotes).replace("&#x27;", "&#39;") for quotes in ("&#34;", "&quot;")}
    return texts


def _in_json(value: str) -> set[str]:
    """Return the forms in JSON: with and without `\\u` escapes, with escaped slashes or HTML characters."""
    plain = {json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    found = set(plain)
    for text in plain:
        found.add(text.replace("/", "\\/"))
        for characters in ("<>&", "<>&='"):
            found.add(re.sub(f"[{characters}]", lambda one: f"\\u{ord(one[0]):04x}", text))
    return found | {re.sub(r"\\u[0-9a-f]{4}", lambda code: f"\\u{code[0][2:].upper()}", text) for text in found}


def _encoded(value: bytes) -> Iterable[Form]:
    """Yield the forms in hex, and in base64 at each possible offset in a longer text."""
    yield from (Form(value.hex()), Form(value.hex().upper()))
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + value).decode()
        head = (0, 2, 3)[offset]  # these characters depend on what is before the secret
        tail = (0, 3, 2)[(offset + len(value)) % 3]  # and these on what follows
        core = whole[head : len(whole) - tail]
        for text in (core, core.replace("+", "-").replace("/", "_")):
            if not _WORD.fullmatch(text):
                yield Form(text, before=min(head, 1), after=min(tail, 1))
