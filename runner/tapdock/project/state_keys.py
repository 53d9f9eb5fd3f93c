"""Names of states: which state a pipeline uses, and whose state a name is."""

from collections.abc import Mapping
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.model import Pipeline, Project

__all__ = [
    "is_state",
    "key_of",
    "own_ids",
    "require_same_rows",
    "source_of",
    "state_key",
    "target_of",
    "valid_id",
]

_PROBE = "probe"
"""The object of a store whose backend tests conditional writes."""
_ROWS = ("__filter__", "__alias__", "__source__")
"""What maps say about which records are written, and into which table."""


def state_key(source: str, target: str, *, environment: str | None = None, suffix: str | None = None) -> str:
    """Return the key of a pipeline's state.

    >>> state_key("faker", "lake", environment="prod", suffix="eu")
    'prod:faker-to-lake:eu'
    """
    key = f"{environment or 'default'}:{source}-to-{target}"
    return f"{key}:{suffix}" if suffix else key


def key_of(pipeline: Pipeline, environment: str | None) -> str:
    """Return the key of a pipeline's state in an environment: its own `state_id`, if it has one.

    >>> key_of(Pipeline(name="p", source="faker", target="lake", state_id="nightly"), "prod")
    'nightly'
    """
    if pipeline.state_id:
        return pipeline.state_id
    suffix = ":".join(part for part in (pipeline.state_suffix, pipeline.row) if part)
    return state_key(pipeline.source, pipeline.target, environment=environment, suffix=suffix)


def require_same_rows(project: Project, pipeline: Pipeline) -> None:
    """Raise UsageError if another pipeline has the same state, but writes other rows or into other tables.

    What one of them has read, the other would never get. Streams that maps remove are not read, so they do not matter.
    """
    key, rows = key_of(pipeline, project.environment), _rows_of(pipeline)
    is_pair = pipeline.name not in project.pipelines
    for other in project.pipelines.values():
        if other.is_template or other.name == pipeline.name or key_of(other, project.environment) != key:
            continue
        same_mapper = pipeline.mappers == other.mappers or (is_pair and pipeline.mappers)  # one that the user chose
        if _rows_of(other) != rows or not same_mapper:
            hint = "set `state_suffix` of one of them: it then reads all rows, or resumes after `tapdock state copy`"
            if is_pair:
                hint = f"`tapdock run {other.name}`, or set its `state_suffix`"
            raise UsageError(
                f"`{pipeline.name}` and pipeline `{other.name}` have one state, `{key}`, but write different rows: what"
                " one of them has read would be missing in the other",
                hint=hint,
            )


def _rows_of(pipeline: Pipeline) -> Any:
    """Return what decides which rows are written, and into which tables."""
    entries = ((name, entry) for name, entry in pipeline.maps.items() if isinstance(entry, Mapping))
    each = {name: {key: entry[key] for key in _ROWS if entry.get(key) is not None} for name, entry in entries}
    return {name: entry for name, entry in each.items() if entry}, pipeline.namespacing


def is_state(name: str) -> bool:
    """Return True for the name of a state in a store. Other objects are in folders, whose names have no colon.

    >>> is_state("prod:faker-to-lake:a/b"), is_state("nightly run"), is_state("history/prod:faker-to-lake/1")
    (True, True, False)
    """
    head, slash, _ = name.partition("/")
    return name != _PROBE and (not slash or ":" in head)


def valid_id(name: str) -> str:
    """Return the name for a state of another runner, which is another one only if a store cannot have it.

    >>> valid_id("nightly run"), valid_id("shop/nightly"), valid_id("probe")
    ('nightly run', 'state-shop-nightly', 'state-probe')
    """
    return name if is_state(name) else f"state-{name.replace('/', '-')}"


def own_ids(pipelines: Mapping[str, Pipeline]) -> dict[str, Pipeline]:
    """Return the pipelines with a `state_id` by it."""
    return {each.state_id: each for each in pipelines.values() if each.state_id}


def source_of(key: str, pipelines: Mapping[str, Pipeline]) -> str:
    """Return the name of the source in a key, or that of the pipeline whose `state_id` it is.

    >>> source_of("prod:faker-to-lake:eu", {})
    'faker'
    """
    own = own_ids(pipelines).get(key)
    return own.source if own else key.partition(":")[2].partition("-to-")[0]


def target_of(key: str, pipelines: Mapping[str, Pipeline]) -> str:
    """Return the name of the target in a key, or that of the pipeline whose `state_id` it is.

    >>> target_of("prod:faker-to-lake:eu", {})
    'lake'
    """
    own = own_ids(pipelines).get(key)
    return own.target if own else key.partition(":")[2].partition("-to-")[2].partition(":")[0]
