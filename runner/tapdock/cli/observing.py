"""The orchestrator that started this process, if it asks for reports by a variable."""

from typing import Any

from tapdock.cli.assembly import said
from tapdock.cli.session import Session
from tapdock.connectors.observer import tell

__all__ = ["observe", "observe_end"]


def observe(ctx: Any, session: Session) -> None:
    """Report the runs of this call to Dagster, if its variable is set, until the context of the command ends."""
    if "DAGSTER_PIPES_CONTEXT" in session.environ:
        from tapdock.runs.dagster_pipes import reporting

        session.observer = ctx.with_resource(reporting(session.environ, say=said))


def observe_end(session: Session, code: int) -> None:
    """Report the exit code of the call to the orchestrator, if there is one."""
    if observer := session.observer:
        tell(lambda: observer.finished(succeeded=code == 0), said)
