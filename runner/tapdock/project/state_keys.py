"""Names of states: which state a pipeline uses, and whose state a name is."""

from collections.abc import Mapping

from tapdock.project.model import Pipeline

__all__ = ["key_of", "own_ids", "source_of", "state_key", "target_of"]


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
    return state_key(pipeline.source, pipeline.target, environment=environment, suffix=pipeline.state_suffix)


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
