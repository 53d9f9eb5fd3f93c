"""Read the values of a `.env`, change them in its text, and check that git does not publish the file."""

import io
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from tapdock.errors import UsageError
from tapdock.project.builtin import NAMES
from tapdock.project.interpolate import VARIABLE

__all__ = ["parse_dotenv", "require_private", "variable_name", "with_values"]

_NAME = re.compile(VARIABLE)
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,-]+")


def parse_dotenv(text: str, label: str, *, reserved: Collection[str] = ()) -> dict[str, str]:
    """Return the values of `NAME=value` lines, which may have `export`, quotes and comments as in python-dotenv.

    References such as `${A}` are not replaced. Raises UsageError for any other line, and for a `reserved` name.

    >>> parse_dotenv("A=1 # one\\nexport B='x y'", ".env")
    {'A': '1', 'B': 'x y'}
    """
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is None and not binding.error:
            continue  # a comment
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        if binding.key in reserved:
            hint = f"rename it: `${{{binding.key}}}` is a built-in variable"
            raise UsageError(f"{label}:{line}: `{binding.key}` is a reserved name", hint=hint)
        if binding.error or binding.key is None or binding.value is None or not _NAME.fullmatch(binding.key):
            raise UsageError(f"{label}:{line}: not a `NAME=value` line", hint="comment it out with `#`")
        values[binding.key] = binding.value
    return values


def variable_name(parts: tuple[str | int, ...]) -> str:
    """Return the name of a variable for a setting: capital letters, digits and `_`.

    >>> variable_name(("shop", "credentials", "client-secret"))
    'SHOP_CREDENTIALS_CLIENT_SECRET'
    """
    name = re.sub(r"[^A-Z0-9]+", "_", "_".join(str(part) for part in parts).upper()).strip("_") or "VALUE"
    if name[0].isdigit() or name.startswith("TAPDOCK_"):  # `TAPDOCK_…` are variables of tapdock's own
        name = f"CONFIG_{name}"
    # `A_FILE` would name a file with the value of `A`, and `RUN_ID` is built in.
    return f"{name}_VALUE" if name.endswith("_FILE") or name in NAMES else name


def with_values(text: str, values: Mapping[str, str], *, label: str) -> str:
    """Return the text of a `.env` with other values. All other lines are kept.

    Raises UsageError for a text that is not valid, and for a value that cannot be written into such a file.
    """
    for name, value in values.items():
        wanted = {**parse_dotenv(text, label), name: value}
        written = (_with_line(text, name, quoted) for quoted in _forms(value))
        found = next((new for new in written if _read(new, label) == wanted), None)
        if found is None:
            hint = f"write it into a file, and its path into the variable `{name}_FILE`"
            raise UsageError(f"the value of `{name}` cannot be written into {label}", hint=hint)
        text = found
    return text


def _forms(value: str) -> Iterator[str]:
    if _PLAIN.fullmatch(value) or not value:
        yield value
    escaped = value.replace("\\", "\\\\")
    yield "'" + escaped.replace("'", "\\'") + "'"
    yield '"' + escaped.replace('"', '\\"') + '"'
    if "\n" not in value and "\r" not in value:
        yield value


def _read(text: str, label: str) -> dict[str, str] | None:
    try:
        return parse_dotenv(text, label)
    except UsageError:
        return None


def _with_line(text: str, name: str, value: str) -> str:
    """Return the text with one line for the variable, in the place of its last one."""
    import io

    from dotenv.parser import parse_stream

    bindings = list(parse_stream(io.StringIO(text, newline="")))
    last = max((at for at, binding in enumerate(bindings) if binding.key == name), default=None)
    if last is None:
        return text + ("\n" if text and not text.endswith("\n") else "") + f"{name}={value}\n"
    old = bindings[last].original.string
    start = re.match(r"\s*(?:export\s+)?", old)
    ending = "\n" if old.endswith("\n") or last < len(bindings) - 1 else ""
    new = (start[0] if start else "") + f"{name}={value}{ending}"
    return "".join(new if at == last else binding.original.string for at, binding in enumerate(bindings))


def require_private(file: Path) -> None:
    """Raise UsageError if git tracks a file, or would add it with the next `git add`."""
    inside = next((folder for folder in file.parents if (folder / ".git").exists()), None)
    if inside is None:
        return
    tracked = _git(file, "ls-files", "--error-unmatch")
    if tracked == 0:
        raise UsageError(
            f"git tracks {file}, so a secret in it would be published with the next commit",
            hint=f"`git rm --cached {file.name}`, add it to .gitignore, and change the secrets that were committed",
        )
    ignored = _git(file, "check-ignore", "--quiet")
    if ignored not in (0, 1):  # git is missing, or does not trust the repository of another user
        ignored = 0 if _has_line(file.parent / ".gitignore", file.name) else 1
    if ignored != 0:
        raise UsageError(
            f"git does not ignore {file}, so a secret in it could be published",
            hint=f"add a line `{file.name}` to {file.parent / '.gitignore'}",
        )


def _git(file: Path, *words: str) -> int | None:
    """Return the exit code of a command of git; None if there is no git. No program of the repository starts."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", "core.fsmonitor=false", *words, "--", file.name]
    try:
        ended = subprocess.run(command, cwd=file.parent, env=environ, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.returncode


def _has_line(file: Path, line: str) -> bool:
    try:
        return {line, f"/{line}"} & set(file.read_text("utf-8").splitlines()) != set()
    except (OSError, UnicodeError):
        return False
