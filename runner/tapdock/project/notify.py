"""Read `notify:` of a pipeline: who gets a message about the end of a run."""

from typing import get_args

from tapdock.project.fields import Field, did_you_mean
from tapdock.project.keys import NOTIFY, names
from tapdock.project.secret import Secret
from tapdock.project.steps import Event, Notify

__all__ = ["notify"]

_DEFAULT: tuple[Event, ...] = ("failure", "recovery")
_INSTEAD = {"to": "write `url` or `command`", "on": "write `events`", "webhook": "write `url`"}
_EXAMPLE = "for example `notify: {url: ${SLACK_URL}}`"


def notify(field: Field) -> tuple[Notify, ...]:
    """Return all notifications: those of a list, or a single one."""
    return tuple(map(_one, field.items() if isinstance(field.value, list) else [field]))


def _one(field: Field) -> Notify:
    keys = field.keys(
        names(NOTIFY), instead={"to": "write `url` or `command`", "on": "write `events`", "webhook": "write `url`"}
    )
    if ("url" in keys) == ("command" in keys):
        raise field.error("needs exactly one of `url` and `command`", hint=_EXAMPLE)
    events = _events(keys) if "events" in keys else _DEFAULT
    if "url" in keys:
        url = next(key for key in NOTIFY if key.name == "url")
        return Notify(events=events, url=keys["url"].read(url))
    return Notify(events=events, command=_command(keys["command"]))


def _events(keys: dict[str, Field]) -> tuple[Event, ...]:
    known = get_args(Event)
    for item in keys["events"].items():
        if item.value not in known:
            hint = did_you_mean(str(item.value), known)
            raise item.wrong(f"one of {', '.join(f'`{word}`' for word in known)}", hint=hint)
    found: tuple[Event, ...] = tuple(item.value for item in keys["events"].items())
    if not found:
        raise keys["events"].error("is empty", hint=f"known: {', '.join(known)}")
    return found


def _command(field: Field) -> tuple[str, ...]:
    items = field.value if isinstance(field.value, list) else [field.value]
    if any(isinstance(item, Secret) for item in items):
        hint = "let the program read the variable itself: it has the environment of tapdock"
        raise field.error("refers to a variable, whose value every user of this machine could see", hint=hint)
    words = field.words()
    if not words:
        raise field.error("is empty", hint="for example `command: [notify-send, tapdock]`")
    return words
