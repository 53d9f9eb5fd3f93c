"""Descriptions of registries as plain text that cannot end a comment of a YAML file."""

import html
import re

from tapdock.text.clean import one_line

__all__ = ["plain_text"]

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\([^()\s]{1,500}\)")


def plain_text(text: str) -> str:
    """Return a text in one line, without HTML, without links of Markdown, and without control characters.

    >>> plain_text('See <a href="https://x.example">the docs</a>\\n\\nof [it](https://y.example) &amp; more.')
    'See the docs of it & more.'
    """
    return " ".join(one_line(" ".join(html.unescape(_LINK.sub(r"\1", _TAG.sub("", text))).split())).split())
