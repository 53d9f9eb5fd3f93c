"""`tapdock config set NAME --interactive`: a dialog about each setting of a connector."""

import html
import json
import re
import sys
import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import typer

from tapdock.cli.config_edits import edit_of, report_all, spec_of
from tapdock.cli.connectors import checked
from tapdock.cli.session import Session
from tapdock.connectors import settings
from tapdock.connectors.config_edit import ConfigEdit
from tapdock.connectors.config_keys import ABSENT, at, secret_leaves
from tapdock.connectors.questions import SKIP, Kept, Question, Wrong, answer, changes, questions
from tapdock.errors import UsageError
from tapdock.project.interpolate import REFERENCE
from tapdock.project.layers import Path, dotted, walk
from tapdock.project.model import Connector
from tapdock.text.clean import one_line
from tapdock.text.output import err, print_table
from tapdock.text.secret_names import MASK

__all__ = ["ask_settings", "plain_text"]

BACK = "<"
_WIDTH = 80


def ask_settings(session: Session, connector: Connector) -> None:
    """Ask for each setting, write the answers at the end, and offer a check. Raises UsageError without a terminal."""
    name = connector.name
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "`--interactive` needs a terminal", hint=f"`tapdock config set {name} KEY VALUE` sets one value"
        )
    spec = spec_of(session, connector, ask=True)
    if not spec or not settings.settings_of(spec, spec):
        raise UsageError(
            f"{connector.role} `{name}` reports no settings", hint=f"`tapdock config set {name} KEY VALUE`"
        )
    err(f"The settings of {connector.role} `{name}`. An empty line keeps a value or skips a setting,")
    err(f"`{BACK}` goes back to the previous question, and Ctrl-C ends without any change.")
    try:
        edit, changed = _asked(session, connector, spec)
    except (typer.Abort, KeyboardInterrupt, EOFError):
        err("\nnothing was written")
        raise typer.Exit(130) from None
    if not changed:
        err("nothing has changed")
    else:
        after = edit.after()
        edit.write()
        report_all(edit, after, changed, spec)
    session.__dict__.pop("project", None)  # it has the old config
    if _line(f"Check the config now, as `tapdock check {name}` does? [Y/n]").strip().lower() in ("", "y", "yes"):
        checked(session, name)


def _asked(session: Session, connector: Connector, spec: Mapping[str, Any]) -> tuple[ConfigEdit, list[Path]]:
    """Return the edit with all answers, and the paths that change."""
    raw = edit_of(session, connector).raw
    answers: list[Any] = []
    before: dict[tuple[Path, str], Any] = {}
    while True:
        walk = questions(spec, raw)
        try:
            question = next(walk)
            for given in answers:
                question = walk.send(given)
        except StopIteration as ending:
            edit = edit_of(session, connector)
            changed = _edited(edit, ending.value, raw, spec)
            if not changed or _confirmed(edit, changed):
                return edit, changed
            given = BACK
        else:
            if question.is_secret:
                edit_of(session, connector).require_private()  # before somebody types what cannot be kept
            given = _reply(question, before.get((question.path, question.title), ABSENT), spec)
            if given is not BACK:
                answers.append(given)
                before[question.path, question.title] = given
        if given is BACK and answers:
            answers.pop()


def _reply(question: Question, before: Any, spec: Mapping[str, Any]) -> Any:
    """Ask until the answer is right. Return it, or BACK."""
    if before is not ABSENT and before is not SKIP:
        question = Question(**{**vars(question), "default": before})
    _explain(question)
    while True:
        text = _line(_prompt(question, spec), hide=question.is_secret)
        if text.strip() == BACK:
            return BACK
        try:
            return answer(question, _content(question, text), spec)
        except Wrong as wrong:
            err(f"  {one_line(str(wrong))}")


def _content(question: Question, text: str) -> str:
    """Return the answer, or the content of the file that it names: a key of several lines cannot be typed."""
    if not (question.schema.get("multiline") is True and text.startswith("@")):
        return text
    try:
        return FilePath(text[1:]).expanduser().read_text("utf-8").removesuffix("\n")
    except (OSError, UnicodeError) as error:
        raise Wrong(f"{text[1:]} cannot be read: {error}") from error


def _explain(question: Question) -> None:
    err("")
    err(_wrapped(question.title))
    description = question.schema.get("description")
    if isinstance(description, str) and description:
        err(textwrap.indent(_wrapped(plain_text(description), _WIDTH - 2), "  "))
    for number, (label, _) in enumerate(question.choices, start=1):
        err(f"  {number}) {one_line(label)}")
    if facts := _facts(question):
        err(textwrap.indent(_wrapped("; ".join(facts), _WIDTH - 2), "  "))


def _facts(question: Question) -> list[str]:
    schema = question.schema
    facts = ["required" if question.is_required else "optional"] if question.kind != "flag" or schema else []
    if not question.is_required and "default" in schema and not question.is_secret:
        facts.append(f"default: {_shown(schema['default'])}")
    names = {"minimum": "at least", "maximum": "at most", "minLength": "minimum length", "maxLength": "maximum length"}
    facts += [f"{words} {schema[key]}" for key, words in names.items() if key in schema]
    if isinstance(schema.get("pattern"), str):
        facts.append(f"pattern: {schema.get('pattern_descriptor') or schema['pattern']}")
    examples = schema.get("examples")
    if isinstance(examples, list) and examples and not question.is_secret:
        facts.append(f"for example {', '.join(map(_shown, examples[:3]))}")
    if schema.get("multiline") is True:
        facts.append("`@FILE` reads a file")
    return facts


def _prompt(question: Question, spec: Mapping[str, Any]) -> str:
    default = question.default
    value = default.raw if isinstance(default, Kept) else default
    if question.kind == "flag":
        return "[Y/n]" if value is True else "[y/N]" if value is False else "[y/n]"
    if default is ABSENT:
        return ">"
    label = next((one_line(label) for label, known in question.choices if known == value), None)
    if label is None:
        is_reference = isinstance(default, Kept) and isinstance(value, str) and REFERENCE.fullmatch(value)
        hidden = not is_reference and (question.is_secret or secret_leaves(question.path, value, spec))
        label = MASK if hidden else _shown(value)
    return f"[{label}] >"


def _shown(value: Any) -> str:
    text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _line(prompt: str, *, hide: bool = False) -> str:
    return str(typer.prompt(prompt, default="", show_default=False, prompt_suffix=" ", hide_input=hide, err=True))


def _wrapped(text: str, width: int = _WIDTH) -> str:
    return textwrap.fill(one_line(text), width, break_long_words=False, break_on_hyphens=False)


def plain_text(text: str) -> str:
    """Return a description without HTML and Markdown, in one line. Addresses of links stay.

    >>> plain_text('See <a href="https://x.org">here</a>,<br>or [there](https://y.org).')
    'See here (https://x.org), or there (https://y.org).'
    """
    text = re.sub(r'<a\s[^>]*href="([^"]*)"[^>]*>(.*?)</a>', r"\2 (\1)", text, flags=re.DOTALL | re.IGNORECASE)
    text = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", r"\1 (\2)", text)
    text = re.sub(r"</?(?:[a-zA-Z][a-zA-Z0-9]*)(?:\s[^<>]*)?/?>", " ", text)
    text = re.sub(r"(\*\*|__)(.+?)\1", r"\2", html.unescape(text))
    return re.sub(r"\s+([,.;])", r"\1", " ".join(text.split()))


def _edited(edit: ConfigEdit, wanted: Mapping[str, Any], raw: Mapping[str, Any], spec: Mapping[str, Any]) -> list[Path]:
    found = sorted(changes(wanted, raw), key=lambda change: change[1] is ABSENT)
    for path, value in found:
        if value is ABSENT:
            edit.remove(path)
        else:
            edit.set_plain(path, value, secret=partial(secret_leaves, schema=spec))
    return [path for path, _ in found]


def _confirmed(edit: ConfigEdit, changed: list[Path]) -> bool:
    """Show what will be written, without secrets, and ask. Return False to go back."""
    err("")
    rows = []
    for path in changed:
        value = at(edit.raw, path)
        leaves = walk(value, path) if value is not ABSENT else [(path, "(removed)")]
        rows += [(dotted(leaf), _shown(inner)) for leaf, inner in leaves]
    print_table(("SETTING", "VALUE"), rows)
    if edit.secrets:
        err(f"secrets in .env: {', '.join(edit.secrets)}")
    while True:
        text = _line(f"Write this into {edit.label}? [Y/n, {BACK} goes back]").strip().lower()
        if text in ("", "y", "yes"):
            return True
        if text == BACK:
            return False
        if text in ("n", "no"):
            raise typer.Abort
