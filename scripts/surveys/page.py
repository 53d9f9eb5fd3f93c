"""The table of the survey in the guide of connectors."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from surveys.outcomes import entries

__all__ = ["BEGIN", "END", "table", "written"]

BEGIN = "<!-- survey: begin, written by `scripts/survey` -->"
END = "<!-- survey: end -->"
_COLUMNS = (
    "package",
    "version",
    "Python, library",
    "builds",
    "starts",
    "settings",
    "wrong config",
    "streams without credentials",
    "broken by, or how it crashes",
)
_LONGEST = 160
_LIBRARIES = ("airbyte-cdk", "singer-sdk", "pipelinewise-singer-python", "realit-singer-python", "singer-python")


def written(page: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page with the table of results between its markers. Raises ValueError if it lacks a marker."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks `{BEGIN}` or `{END}`")
    return f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}"


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a sentence with the totals, and a row for each package that was tried."""
    tried = {line: result for line, result in sorted(results.items()) if result["broken"] != "not tried"}
    built = sum(result["built"] for result in tried.values())
    starts = sum(result["starts"] for result in tried.values())
    broken = Counter(result["broken"] for result in tried.values() if result["broken"])
    by = "; ".join(f"{who}: {count}" for who, count in sorted(broken.items()))
    totals = f"{len(tried)} packages: {built} were installed, and {starts} of them start. Broken by {by or 'nobody'}."
    rows = [_row(line, result) for line, result in tried.items()]
    return "\n".join([totals, "", _line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *rows])


def _row(line: str, result: Mapping[str, Any]) -> str:
    (entry,) = entries(line)
    name, _, version = entry.requirement.partition("==")
    more = "".join(f"; `{key}: {_option(value)}`" for key, value in entry.options.items())
    found = result["versions"]
    library = next((f", {each} {found[each]}" for each in _LIBRARIES if each in found), "")
    why = ": ".join(each for each in (result["broken"], _shortened(result["reason"])) if each)
    cells = [
        f"`{name}`{more}",
        version,
        f"{_minor(found['python'])}{library}" if "python" in found else "",
        "yes" if result["built"] else "no",
        "yes" if result["starts"] else "no",
        result["spec"].removesuffix(" settings"),
        result["check"] or (result["discover"] if not result["discover"].endswith(("stream", "streams")) else ""),
        result["discover"] if result["discover"].endswith(("stream", "streams")) else "",
        why,
    ]
    return _line(cells)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _option(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _shortened(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} …"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
