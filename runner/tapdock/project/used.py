"""Which connectors and tasks the pipelines and jobs of a project need."""

from collections.abc import Iterator, Sequence

from tapdock.project.blocks import Block, Group, JobBlock, RowsBlock, TaskBlock, parse_blocks
from tapdock.project.model import Connector, Pipeline, Project

__all__ = ["is_used"]


def is_used(project: Project, connector: Connector) -> bool:
    """Return True if a pipeline, a job or a hook needs the connector. Without pipelines and jobs, all are used."""
    if not project.pipelines and not project.jobs:
        return True
    names = set(_names(project, parse_blocks(project, [*project.pipelines, *project.jobs])))
    return not names.isdisjoint((connector.name, *connector.mappings))


def _names(project: Project, blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Pipeline():
                yield from _of_pipeline(block)
            case RowsBlock():  # of the template: the rows are not read
                yield from _of_pipeline(block.pipeline)
            case TaskBlock():
                yield block.task
            case JobBlock():
                yield from (word.partition(":")[0] for word in block.hooks.tasks)
                yield from _names(project, block.blocks)
            case Group():
                for member in block.members:
                    yield from _names(project, member)


def _of_pipeline(pipeline: Pipeline) -> Iterator[str]:
    yield from pipeline.connectors
    yield from (word.partition(":")[0] for word in pipeline.tasks)
