"""Find the mapper that a run names, by its own name or by that of one of its mappings."""

import dataclasses
from collections.abc import Mapping

from tapdock.project.connector_values import Config
from tapdock.project.fields import did_you_mean
from tapdock.project.model import Connector

__all__ = ["is_mapper", "mapper_of", "unfit", "usable"]


def usable(mappers: Mapping[str, Connector]) -> tuple[str, ...]:
    """Return the names that a run can use: of mappings, and of mappers without any."""
    return tuple(name for mapper in mappers.values() for name in (mapper.mappings or (mapper.name,)))


def is_mapper(name: str, mappers: Mapping[str, Connector]) -> bool:
    """Return True for the name of a mapper or of a mapping."""
    return name in mappers or name in usable(mappers)


def unfit(name: str, mappers: Mapping[str, Connector]) -> tuple[str, str] | None:
    """Return why a run cannot use a mapper of this name, with a hint; None if it can."""
    known = usable(mappers)
    if name in known:
        return None
    if name in mappers:
        return "which is a mapper with mappings", f"name one of them: {', '.join(mappers[name].mappings)}"
    hint = did_you_mean(name, known) or f"known mappers: {', '.join(known) or 'none yet'}"
    return "but there is no such mapper", hint


def mapper_of(name: str, mappers: Mapping[str, Connector]) -> Connector:
    """Return the mapper of a name that is not `unfit`. Keys of the mapping replace those of the mapper's `config`."""
    for mapper in mappers.values():
        if name in mapper.mappings:
            return dataclasses.replace(mapper, config=Config({**mapper.config, **mapper.mappings[name]}))
    return mappers[name]
