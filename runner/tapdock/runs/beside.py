"""Store a fact of a finished run beside its state. The run keeps its verdict if that fails."""

import threading
from collections.abc import Callable

from tapdock.connectors.context import Context
from tapdock.errors import StateError
from tapdock.state.backends.limits import within

__all__ = ["stored_beside"]

_SECONDS = 60.0
_LAST_SECONDS = 0.5


def stored_beside(context: Context, work: Callable[[], None], *, what: str) -> None:
    """Do `work`, which stores `what` in the state backend. A failure, or a second signal, is only reported."""
    ended = threading.Event()
    thread = threading.Thread(target=_stored, args=(context, work, what, ended), daemon=True)
    thread.start()
    context.signals.wait_for(ended, doing=f"storing {what.replace('this', 'the')} beside its state")
    if thread.is_alive():
        thread.join(_LAST_SECONDS)
    if thread.is_alive():
        context.progress(f"{what} is not stored beside its state: stopped by a second signal")


def _stored(context: Context, work: Callable[[], None], what: str, ended: threading.Event) -> None:
    try:
        within(_SECONDS, work)
    except (OSError, StateError) as error:  # also a TimeoutError
        context.progress(f"{what} is not stored beside its state: {error}")
    finally:
        ended.set()
