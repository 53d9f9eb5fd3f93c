"""Where known connectors differ from the protocol: a table of data, so that no code asks for a name."""

from dataclasses import dataclass

from tapdock.launch import ImageFacts

__all__ = ["Quirks", "quirks_of"]


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """`ack_on_exit`: the last state stays unacknowledged when nothing was pending at the end; exit code 0 says it."""

    ack_on_exit: bool = False


# Made from PipelineWise's target loop, which prints no state for an empty last batch (protocol.md 2.4).
_PIPELINEWISE = Quirks(ack_on_exit=True)

_BY_PROGRAM = {
    "pipelinewise-target-bigquery": _PIPELINEWISE,
    "pipelinewise-target-postgres": _PIPELINEWISE,
    "pipelinewise-target-redshift": _PIPELINEWISE,
    "target-duckdb": _PIPELINEWISE,
}


def quirks_of(facts: ImageFacts) -> Quirks:
    """By the package that the image was made from, else by the last part of its name."""
    package = facts.labels.get("io.tapdock.package", "").split(" ")[0]
    name = facts.image.rpartition("@")[0] or facts.image
    for known in (_bare(package), name.rpartition("/")[2].partition(":")[0]):
        if known in _BY_PROGRAM:
            return _BY_PROGRAM[known]
    return Quirks()


def _bare(requirement: str) -> str:
    """The name in a requirement such as `target-duckdb[extra]==0.8.0`."""
    for mark in "[=<>!~;@ ":
        requirement = requirement.partition(mark)[0]
    return requirement.lower().replace("_", "-")
