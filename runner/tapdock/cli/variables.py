"""Options of `tapdock run` as variables: TAPDOCK_RUN_FULL_REFRESH is `--full-refresh`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tapdock.errors import UsageError

__all__ = ["Defaults", "run_options"]

PREFIX = "TAPDOCK_RUN_"
_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Defaults(dict[str, Any]):
    """Defaults of options by the name of a command. Those of `run` are read when `run` or `elt` is called."""

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._read = read

    def get(self, name: Any, default: Any = None) -> Any:
        return self._read() if name in ("run", "elt", "el") else default


def run_options(variables: Mapping[str, str], params: list[Any]) -> dict[str, Any]:
    """Return values of options by the name of their parameter. An empty variable counts as not set.

    Raises UsageError, which names the variable, for a wrong value and for a variable that is not an option.
    """
    options = {_variable(param): param for param in params if param.param_type_name == "option"}
    found = {}
    for name, value in sorted(variables.items()):
        if not name.startswith(PREFIX) or "__" in name:
            continue
        if name not in options:
            from tapdock.project.fields import did_you_mean

            hint = did_you_mean(name, options) or f"known: {', '.join(options)}"
            raise UsageError(f"the environment variable `{name}` is not an option of `tapdock run`", hint=hint)
        if value.strip():
            found[options[name].name] = _value(name, value.strip(), options[name])
    return found


def _variable(param: Any) -> str:
    longest: str = max(param.opts, key=len)
    return PREFIX + longest.removeprefix("--").replace("-", "_").upper()


def _value(name: str, text: str, param: Any) -> Any:
    if param.is_flag:
        if text.lower() not in _FLAGS:
            raise UsageError(f"the environment variable `{name}` is `{text}`", hint="write `1` or `0`")
        return _FLAGS[text.lower()]
    if param.multiple:
        return [word for word in re.split(r"[\s,]+", text) if word]
    try:
        param.process_value(None, text)
    except Exception as error:
        if not hasattr(error, "format_message"):  # only errors of the command line have this method
            raise
        problem = str(getattr(error, "message", error)).rstrip(".")
        raise UsageError(f"the environment variable `{name}` is `{text}`: {problem}") from error
    return text
