"""Make text from connectors, engines, servers and files harmless for a terminal, a CI log and a message."""

import re

__all__ = ["clean", "defused", "harmless_json", "one_line", "plain"]

ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\n\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS
    r"|\x1b[ -/]*[0-~]?"
)
BIDI = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
# Unicode's Default_Ignorable_Code_Point: invisible characters, which can hide or split other text
INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
UNPRINTABLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI}{INVISIBLE}]")
IGNORABLE = re.compile(f"[{INVISIBLE}]")
SURROGATE = re.compile("[\ud800-\udfff]")
# GitHub reads `::word` at a line's start and `##[`, Azure `##vso[`, TeamCity `##teamcity[` anywhere in it
COMMAND_AT_START = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
COMMAND_ANYWHERE = re.compile(r"##(?=\w*\[)")
# In valid JSON these are only found in strings, apart from the carriage return
NOT_IN_JSON = re.compile(f"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff{BIDI}{INVISIBLE}]|#(?=#\\w*\\[)")


def plain(text: str) -> str:
    """Return text without terminal escapes, control characters, and characters that change or hide their neighbors.

    Line feeds and tabs are kept.
    """
    if text.isprintable():  # without control characters and escapes
        return text if text.isascii() else IGNORABLE.sub("", text)
    return SURROGATE.sub("\ufffd", UNPRINTABLE.sub("", ESCAPE.sub("", text)))


def clean(text: str) -> str:
    """Return plain text without commands that a CI reads in its log.

    >>> clean("\\x1b[31mred\\x1b[0m\\r\\n::set-output name=a::b")
    'red\\n: :set-output name=a::b'
    """
    return defused(plain(text))


def defused(text: str) -> str:
    """Return already plain text without commands to a CI."""
    text = COMMAND_AT_START.sub(r"\1: ", text) if "::" in text else text
    return COMMAND_ANYWHERE.sub("# #", text) if "##" in text else text


def one_line(text: str) -> str:
    """Return clean text on a single line, so that outside text cannot imitate further lines of tapdock.

    >>> one_line("users\\nhint: run this")
    'users / hint: run this'
    """
    lines = (line.strip() for line in plain(text).split("\n"))
    return defused(" / ".join(line for line in lines if line))


def harmless_json(text: str) -> str:
    """Return the same JSON with `\\u` escapes for everything that controls a terminal or a CI. No value changes.

    >>> harmless_json('{"a": "\\x9b31m ##[group]"}')
    '{"a": "\\\\u009b31m \\\\u0023#[group]"}'
    """
    if text.isascii() and text.isprintable() and "##" not in text:
        return text
    return NOT_IN_JSON.sub(_escaped, text.replace("\r", " "))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
