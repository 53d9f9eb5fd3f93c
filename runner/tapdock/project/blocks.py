"""Blocks of a run: the pipelines, or the sources with their targets, that a user names."""

from collections.abc import Sequence

from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.mapping import is_mapper, unfit, usable
from tapdock.project.model import Pipeline, Project

__all__ = ["block_of", "parse_blocks"]


def parse_blocks(project: Project, words: Sequence[str]) -> list[Pipeline]:
    """Return the pipelines that the words name; a source followed by a target makes an unnamed pipeline.

    Between them may be a mapper. Raises UsageError for an unknown name and for a source or a target alone.
    """
    pipelines: list[Pipeline] = []
    left = list(words)
    while left:
        name = left.pop(0)
        if name in project.pipelines:
            pipelines.append(project.pipelines[name])
        elif name in project.sources:
            mappers = _mappers(project, name, left)
            target = left.pop(0) if left else ""
            if target not in project.targets:
                raise _no_target(project, name, target)
            _require_no_maps(project, name, target)
            pipelines.append(Pipeline(name=f"{name}-to-{target}", source=name, target=target, mappers=mappers))
        else:
            raise _unknown(project, name)
    return pipelines


def block_of(project: Project, pipeline: Pipeline) -> str:
    """Return the words that name this pipeline in a command."""
    return pipeline.name if pipeline.name in project.pipelines else " ".join(pipeline.connectors)


def _mappers(project: Project, source: str, left: list[str]) -> tuple[str, ...]:
    """Take the names of mappers from the beginning of a list. Raises UsageError for more than one."""
    names: list[str] = []
    while left and is_mapper(left[0], project.mappers):
        names.append(left.pop(0))
    for name in names:
        if problem := unfit(name, project.mappers):
            raise UsageError(f"`{source}` is followed by `{name}`, {problem[0]}", hint=problem[1])
    if len(names) > 1:
        said = ", ".join(f"`{name}`" for name in names)
        raise UsageError(f"a run has at most one mapper, not {said}", hint="put the settings of all into one mapping")
    return tuple(names)


def _require_no_maps(project: Project, source: str, target: str) -> None:
    """Raise UsageError if a pipeline of this source and target has maps: without them, plain text may be written."""
    users = [one for one in project.pipelines.values() if (one.source, one.target) == (source, target)]
    if found := next((one.name for one in users if one.has_maps), None):
        raise UsageError(
            f"pipeline `{found}` maps what `{source}` writes to `{target}`, and `{source} {target}` would not",
            hint=f"`tapdock run {found}`; or move the maps to `sources.{source}`, where they hold for each of its runs",
        )


def _no_target(project: Project, source: str, word: str) -> UsageError:
    known = ", ".join(project.targets) or "none yet"
    what = f"`{word}` is not a target" if word else "must be followed by a target"
    return UsageError(
        f"`{source}` is a source, and {what}",
        hint=did_you_mean(word, (*project.targets, *usable(project.mappers))) or f"targets: {known}",
    )


def _unknown(project: Project, name: str) -> UsageError:
    if is_mapper(name, project.mappers):
        return UsageError(f"`{name}` is a mapper, and must follow a source", hint=f"`tapdock run SOURCE {name} TARGET`")
    if name in project.targets:
        return UsageError(f"`{name}` is a target, and must follow a source", hint=f"`tapdock run SOURCE {name}`")
    known = [*project.pipelines, *project.sources, *project.targets]
    hint = did_you_mean(name, known) or f"known: {', '.join(known) or 'nothing yet'}"
    return UsageError(f"there is no pipeline, source or target `{name}` in {project.file.name}", hint=hint)
