"""The lease of a run's state: how a run takes it, and whether another run has it before this one starts."""

from collections.abc import Callable

from tapdock.connectors.context import Context
from tapdock.errors import LeaseHeld, StateError, TapdockError
from tapdock.project.model import Pipeline
from tapdock.project.state_keys import key_of
from tapdock.runs.options import Options
from tapdock.state.backends.base import LeaseTerms, holder_here

__all__ = ["held_by_another", "terms_of"]


def terms_of(context: Context, lost: Callable[[TapdockError], None]) -> LeaseTerms:
    """Return the terms of a run's lease. The engine knows if the containers of a holder have ended."""
    engine = context.engine
    return LeaseTerms(
        is_over=lambda holder: engine.is_over(holder.owner, holder.run_id), lost=lost, say=context.progress
    )


def held_by_another(context: Context, wanted: Pipeline, options: Options) -> LeaseHeld | None:
    """Return the error of a run whose state another run holds; None if this run would get its lease now.

    The lease is taken and released at once: only this says what the run itself would find. Another failure of the
    backend is left to the run.
    """
    if not options.save_state:
        return None
    key = key_of(wanted, context.project.environment)
    here = holder_here("before", since=context.now(), owner=context.engine.owner)
    try:
        with context.backend.acquire(key, here, terms_of(context, lambda _: None)):
            return None
    except LeaseHeld as error:
        return error
    except StateError:
        return None
