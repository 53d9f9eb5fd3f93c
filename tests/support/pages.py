"""The commands and files that the pages for users show, and a shell that follows them as a user does.

`tests/unit/test_commands.py` proves that every command of the pages is run: by a test that calls `page_steps` with the
page, by a test that is named in `ELSEWHERE`, or it is in `NOT_RUN` with the reason.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
GUIDES = CHECKOUT / "runner" / "guides"
PAGES = {"README.md": CHECKOUT / "README.md", **{page.name: page for page in sorted(GUIDES.glob("*.md"))}}

ELSEWHERE = {
    "scripts/demo": "tests/places/test_checkout.py::test_the_dev_container",
}
"""Commands that a test runs without `page_steps`. The test contains the command."""

NOT_RUN = {
    "scripts/test": "runs these tests",
    "aws ec2 run-instances --image-id ami-… --instance-type t3.small --user-data file://user-data"
    " --iam-instance-profile Name=tapdock --metadata-options HttpTokens=required": "needs an account of Amazon",
    "tapdock state import s3://bucket/meltano --format meltano": "needs a bucket that Meltano has written",
}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^(Add to the end of )?`([\w./-]+)`:\n\n\Z", re.MULTILINE)
_COMMENT = re.compile(r"\s+# .*$")


@dataclass(frozen=True)
class Step:
    """A command with the output that the page shows, or (with `file`) a file to write: `text` is its content.

    In an output, `…` means any text, and a line with only `…` means any lines.
    """

    page: str
    section: str
    text: str
    output: str = ""
    file: str = ""
    adds: bool = False

    @property
    def command(self) -> str:
        """Return the command in one line and without its comment, as the tables above name it."""
        return _COMMENT.sub("", re.sub(r" *\\\n\s*", " ", self.text))

    @property
    def script(self) -> str:
        if not self.file:
            return self.text
        return f"cat {'>>' if self.adds else '>'}{self.file} <<'END OF FILE'\n{self.text}END OF FILE"


@dataclass(frozen=True)
class Ended:
    """The result of a step. `output` is stdout and stderr."""

    step: Step
    code: int
    output: str

    def check(self) -> None:
        """The output is that of the page. A command fails if and only if the page shows its error."""
        shown = f"$ {self.step.text}\n{self.output}"
        fails = any(line.startswith("error: ") for line in self.step.output.splitlines())
        assert (self.code != 0) == fails, f"exit code {self.code} of {shown}"
        if self.step.output:
            assert re.fullmatch(_pattern(self.step.output), _trimmed(self.output)), shown


def every(page: str) -> Iterator[Step]:
    """Yield the files and commands of a page in order, those that no test runs included."""
    text = PAGES[page].read_text()
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()]
        section = (re.findall(r"^#+ (.+)$", before, re.MULTILINE) or [""])[-1]
        named = _NAMED.search(before)
        language, body = fence.groups()
        if language == "sh":
            yield from (Step(page, section, command) for command in _commands(body.splitlines()))
        elif language == "console":
            for shown in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                (command, *_), rest = _split(shown)
                yield Step(page, section, command, rest)
        elif named:
            yield Step(page, section, body, file=named[2], adds=bool(named[1]))


def page_steps(page: str, *sections: str) -> list[Step]:
    """Return what a test follows: the page, or some of its sections."""
    found = [step for step in every(page) if not sections or step.section in sections]
    return [step for step in found if step.command not in ELSEWHERE and step.command not in NOT_RUN]


def services() -> dict[str, list[str]]:
    """Return the table of compose.md: for each service the cells after its name, with the text in backticks if any."""
    found = {}
    for line in PAGES["compose.md"].read_text().splitlines():
        cells = [(re.findall("`(.*?)`", cell) or [cell])[0] for cell in line.strip("| ").split(" | ")]
        if line.startswith("| `"):
            found[cells[0]] = cells[1:]
    return found


def _commands(lines: Sequence[str]) -> Iterator[str]:
    """Yield the commands of a script: lines up to the one that makes them whole."""
    taken: list[str] = []
    for line in lines:
        taken.append(line)
        text = "\n".join(taken)
        if not line.endswith("\\") and subprocess.run(["sh", "-nc", text], capture_output=True).returncode == 0:
            if text.strip() and not text.startswith("#"):
                yield text
            taken = []
    assert not taken, f"a command that does not end: {taken}"


def _split(shown: str) -> tuple[list[str], str]:
    """Return the command, whose further lines begin with `> `, and its output."""
    first, *rest = shown.splitlines()
    while rest and rest[0].startswith("> "):
        first += "\n" + rest.pop(0)[2:]
    return [first], "\n".join(rest)


def _trimmed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def _pattern(output: str) -> str:
    return "".join("(?:[^\n]*\n)*?" if line == "…" else _line(line) for line in _trimmed(output).splitlines())


def _line(line: str) -> str:
    return "[^\n]*?".join(re.escape(part) for part in line.split("…")) + "\n"


class Shell:
    """One shell for all steps, in `folder`. `names` has what has another name here: `{as written: here}`."""

    def __init__(self, folder: Path, *, names: Mapping[str, str] | None = None, **environ: str) -> None:
        self.folder = folder
        self.programs = folder / ".programs"
        self.programs.mkdir()
        self._names = names or {}
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TAPDOCK_", "COMPOSE_"))}
        cache = {"XDG_CACHE_HOME": str(folder / ".cache")}
        self.environ = {**own, **cache, **environ, "PATH": f"{self.programs}:{own['PATH']}"}
        self.program("tapdock", f'exec "{sys.executable}" -m tapdock "$@"')

    def program(self, name: str, script: str) -> None:
        """Put a shell script into the PATH."""
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def follow(self, found: Sequence[Step], *, timeout: float = 300) -> list[Ended]:
        """Run the steps one after the other, check each result, and return the results."""
        assert found
        here = [self._here(step) for step in found]
        mark = "=== a step has ended:"
        script = "".join(f"{{ {step.script}\n}} </dev/null 2>&1\necho '{mark}' $?\n" for step in here)
        ran = subprocess.run(
            ["sh", "-c", script], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=timeout
        )
        parts = re.split(rf"^{mark} (\d+)\n", ran.stdout, flags=re.MULTILINE)
        ended = [
            Ended(step, int(code), output) for step, output, code in zip(here, parts[::2], parts[1::2], strict=False)
        ]
        for one in ended:
            one.check()
        assert len(ended) == len(found), ran.stdout + ran.stderr
        return ended

    def _here(self, step: Step) -> Step:
        text, output = step.text, step.output
        for written, here in self._names.items():
            text, output = text.replace(written, here), output.replace(written, here)
        return replace(step, text=text, output=output)
