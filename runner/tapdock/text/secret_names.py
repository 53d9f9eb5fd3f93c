"""Detect settings that hold secrets by their names, and secrets inside of URIs and other text."""

import functools
import re
from urllib.parse import unquote, unquote_plus

__all__ = ["MASK", "is_group_name", "is_secret_name", "masked_text", "secrets_in"]

MASK = "[secret]"

# A name with one of these words is the name of a secret, unless its last word describes something else.
_STRONG = re.compile(
    r".*(?:passwords?|passwd|passphrases?|passcode|secrets?|tokens?|credentials?)"
    r"|pwds?|pgp|creds?|jwts?|keys?"
    r"|.*(?:api|access|secret|private|account|shared|encryption|signing|master|ssh|storage|license)keys?"
)
# These words count only at the end of a name: `auth` and `basic_auth`, but not `auth_type`.
_WEAK = re.compile(
    r"pass|pats?|auth|authorization|bearer|cookies?|session|dsn|sas|pem|sig|signature|otp|pin|userpass|keyfile|webhooks?"
)
_ENDING = re.compile(
    r"(?:^| )(?:(?:conn|connection) ?(?:string|str|uri|url)s?"
    r"|(?:webhook|sas|signed|presigned|hook) (?:url|uri)s?"
    r"|(?:keyfile|service account|credentials?|auth)"
    r" (?:json|dict|info|file contents?|contents?|string|text|header|value))$"
)
# `token_url`, `key_path`, `secret_name`: the last word says that the value only describes a secret.
_DESCRIPTION = re.compile(
    r"algorithm|arn|at|audience|based|column|columns|count|date|days|delimiter|dir|directory|disabled|domain"
    r"|duration|enabled|encoding|endpoint|endpoints|expiration|expired|expires|expiry|field|fields|file"
    r"|filename|folder|format|host|hours|index|interval|issuer|kind|length|lifetime|limit|location|manager|max"
    r"|method|min|minutes|mode|name|names|number|path|paths|pattern|policy|port|prefix|properties|property"
    r"|provider|regex|region|required|rotation|schema|scope|scopes|seconds|separator|size|space|spaces"
    r"|strategy|suffix|table|through|time|timeout|ttl|type|types|uri|uris|url|urls|usage|version"
)
# `primary_key`, `cursor_key`: a key that identifies rows is not a secret.
_KEY_OF_DATA = re.compile(
    r"bookmark|business|cache|child|cluster|clustering|column|composite|cursor|date|dedup|dedupe|dist"
    r"|distribution|event|field|foreign|group|grouping|hash|id|incremental|item|join|lookup|map|merge"
    r"|message|natural|object|order|ordering|parent|partition|partitioning|primary|property|public|range"
    r"|record|replication|routing|row|sort|sorting|state|stream|surrogate|table|time|timestamp|unique|update"
    r"|upsert|version"
)
_SPLIT = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_LONGEST_NAME = 200
_GROUP = re.compile(r"keys?|(?:.*[^a-z0-9])?(?:auth|authorization|session|webhooks?|credentials?|creds)")


def is_secret_name(name: str) -> bool:
    """Return True if a setting of this name probably holds a secret. Used if no spec marks it.

    >>> [name for name in ("apiKey", "primary_key", "token_url", "db_password_2") if is_secret_name(name)]
    ['apiKey', 'db_password_2']
    """
    return _is_secret(name[-_LONGEST_NAME:])


@functools.lru_cache(4096)
def _is_secret(name: str) -> bool:
    words = [word for word in _SPLIT.split(_CAMEL.sub(" ", name).lower()) if word and not word.isdigit()]
    words = [word.rstrip("0123456789") or word for word in words]
    if not words or words == ["keys"]:  # taps list the key fields of a table under this name
        return False
    if _WEAK.fullmatch(words[-1]) or _ENDING.search(" ".join(words)):
        return True
    if _DESCRIPTION.fullmatch(words[-1]):
        return False
    return any(_STRONG.fullmatch(word) and not _is_key_of_data(words, place) for place, word in enumerate(words))


def is_group_name(name: str) -> bool:
    """Return True if a secret's name can also name a group of settings or a choice: `credentials`, `auth`."""
    return _GROUP.fullmatch(_CAMEL.sub(" ", name).lower()) is not None


def _is_key_of_data(words: list[str], place: int) -> bool:
    is_key = place > 0 and words[place] in ("key", "keys")
    return is_key and _KEY_OF_DATA.fullmatch(words[place - 1]) is not None


_WEB = re.compile(r"(?:[a-z0-9+.-]*\+)?(?:https?|wss?|ftps?)", re.IGNORECASE)
# A scheme, and the text before the last `@` after it: a password may contain any character.
_USERINFO = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.:-]{0,63})://"
    r"(?P<user>[^:/?#@\s\"'<>`]{0,256})(?:(?P<colon>:)(?!\d+(?:[/?#\s\"'<>`]|$))(?P<password>[^\s\"'<>`]{0,512}))?@(?=[^\s@]*)",
    re.IGNORECASE,
)
# `?sig=…`, `;Password=…`, `password='…'`: settings that are written as text.
_ASSIGNED = re.compile(
    r"(?<![\w.%])(?P<name>[A-Za-z][\w.-]{0,63}(?: [A-Za-z]{1,63})?)(?P<is>\s?=\s?)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^&;,\s\"'<>`]+)"
)


def masked_text(text: str) -> str:
    """Return text in which the passwords and tokens of URIs and connection strings are masked.

    >>> masked_text("postgresql://me:pa55word@host/db?sslpassword=x")
    'postgresql://me:[secret]@host/db?sslpassword=[secret]'
    """
    return _ASSIGNED.sub(_hidden_value, _USERINFO.sub(_hidden_user, text))


def _hidden_user(match: re.Match[str]) -> str:
    scheme, user = match["scheme"], match["user"]
    if _WEB.fullmatch(scheme):  # a token may be either
        return f"{scheme}://{MASK}@" if user or match["password"] else match[0]
    return f"{scheme}://{user}:{MASK}@" if match["password"] else match[0]


def _hidden_value(match: re.Match[str]) -> str:
    secret = is_secret_name(match["name"]) and not match["value"].startswith(MASK)
    return f"{match['name']}{match['is']}{MASK}" if secret else match[0]


def secrets_in(text: str) -> list[str]:
    """Return the secrets that `masked_text` hides, both as written and decoded, for a `Redactor`."""
    found: list[str] = []
    for match in _USERINFO.finditer(text):
        user, password = match["user"], match["password"]
        if password:
            found += (f"{user}:{password}", password, unquote(f"{user}:{password}"), unquote(password))
        if user and _WEB.fullmatch(match["scheme"]) and not user.isalpha():
            found += (user, unquote(user))
    for match in _ASSIGNED.finditer(text):
        if is_secret_name(match["name"]):
            value = match["value"].strip("\"'")
            found += (value, unquote(value), unquote_plus(value))
    return list(dict.fromkeys(found))
