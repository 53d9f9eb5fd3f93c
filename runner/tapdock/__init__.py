"""tapdock runs Airbyte and Singer connectors as containers and moves data between any two of them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapdock.api import JobResult, Project, Records, Source, Target, load
    from tapdock.errors import (
        EngineError,
        LeaseHeld,
        MapperError,
        SourceError,
        StateError,
        TapdockError,
        TargetError,
        TaskError,
        TranslationError,
        UsageError,
    )
    from tapdock.runs.records import RunRecord
    from tapdock.runs.source_records import SourceRecord

__all__ = [
    "EngineError",
    "JobResult",
    "LeaseHeld",
    "MapperError",
    "Project",
    "Records",
    "RunRecord",
    "Source",
    "SourceError",
    "SourceRecord",
    "StateError",
    "TapdockError",
    "Target",
    "TargetError",
    "TaskError",
    "TranslationError",
    "UsageError",
    "__version__",
    "load",
]

__version__ = "0.1.0"

_MODULES = {
    **dict.fromkeys(("JobResult", "Project", "Records", "Source", "Target", "load"), "api"),
    "SourceRecord": "runs.source_records",
    "RunRecord": "runs.records",
}


def __getattr__(name: str) -> Any:
    """Import what the Python API needs when it is first used: `import tapdock` alone takes no time."""
    if name not in __all__:
        raise AttributeError(f"module `tapdock` has no attribute `{name}`")
    from importlib import import_module

    return getattr(import_module(f"tapdock.{_MODULES.get(name, 'errors')}"), name)
