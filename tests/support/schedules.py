"""What a scheduler prints as JSON lines."""

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

__all__ = ["events_of", "minutes_of"]


def events_of(text: str, schedule: str, words: str) -> list[dict[str, Any]]:
    """Return the scheduler's own events of a schedule that begin with words, without the lines of its runs."""
    lines = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
    found = (line for line in lines if line.get("schedule") == schedule and "run_id" not in line)
    return [line for line in found if re.match(words, str(line["event"]))]


def minutes_of(events: Iterable[dict[str, Any]]) -> list[str]:
    """Return the times that events are about, also those between the first and the last that were missed."""
    found: list[str] = []
    for event in events:
        if "missed" not in event:
            found.append(str(event["due"]))
            continue
        at, last = (datetime.fromisoformat(str(event[key])) for key in ("first", "last"))
        while at <= last:
            found.append(at.isoformat())
            at += timedelta(minutes=1)
    return found
