"""Find and remove the leftovers of dead runs on an engine."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

import docker.errors

from tapdock.engines import owner
from tapdock.engines.base import Swept
from tapdock.engines.docker.errors import CONNECTION, reason_of
from tapdock.engines.docker.run import LABEL_OWNER, LABEL_RUN

__all__ = ["Leftover", "found", "removed"]

_SURELY_OVER = timedelta(hours=1)
"""A run whose owner cannot be checked counts as dead after this time, if none of its containers runs."""


class Leftover(NamedTuple):
    """A container, a volume or a network of a dead run."""

    name: str
    remove: Callable[[], Any]


def found(api: Any, runs: Callable[[str], bool | None]) -> Iterator[Leftover]:
    """Yield containers, then volumes and networks, whose owner is gone.

    `runs` returns whether the container with an id runs. The name must match the label, because anybody can set labels.
    """
    for container in api.containers(all=True, filters={"label": LABEL_RUN}):
        name = next(iter(container["Names"] or ()), "").lstrip("/")  # none while an engine removes the container
        if not _is_of_a_run(name, container["Labels"]):
            continue
        alive = owner.is_alive(container["Labels"].get(LABEL_OWNER, ""), runs=runs)
        if alive is None and container["State"] != "running":
            alive = not _is_long_ago(datetime.fromtimestamp(container["Created"], UTC))
        if alive is False:
            remove = partial(api.remove_container, container["Id"], force=True, v=True)
            yield Leftover(name, remove)
    for volume in api.volumes(filters={"label": LABEL_RUN})["Volumes"] or []:
        labels: Mapping[str, str] = volume["Labels"] or {}
        if not _is_of_a_run(volume["Name"], labels):
            continue
        alive = owner.is_alive(labels.get(LABEL_OWNER, ""), runs=runs)
        if alive is None and volume.get("CreatedAt"):
            alive = not _is_long_ago(datetime.fromisoformat(volume["CreatedAt"]))
        if alive is False:  # without force: a volume in use is refused, and found again the next time
            yield Leftover(volume["Name"], partial(api.remove_volume, volume["Name"]))

    for network in api.networks(filters={"label": LABEL_RUN}):
        labels = network["Labels"] or {}
        if _is_of_a_run(network["Name"], labels) and owner.is_alive(labels.get(LABEL_OWNER, ""), runs=runs) is False:
            yield Leftover(network["Name"], partial(api.remove_network, network["Id"]))


def _is_of_a_run(name: str, labels: Mapping[str, str]) -> bool:
    return f"{name}-".startswith(f"tapdock-{labels[LABEL_RUN]}-")


def _is_long_ago(moment: datetime) -> bool:
    return datetime.now(UTC) - moment > _SURELY_OVER


def removed(leftovers: Iterable[Leftover]) -> Swept:
    """Remove leftovers. Errors are returned, not raised, because a run can start nevertheless."""
    gone: list[str] = []
    kept: list[tuple[str, str]] = []
    for leftover in leftovers:
        try:
            leftover.remove()
        except docker.errors.NotFound:
            continue  # already removed
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:  # another process is removing it, or it is in use
                kept.append((leftover.name, reason_of(error)))
        except CONNECTION as error:
            kept.append((leftover.name, reason_of(error)))
        else:
            gone.append(leftover.name)
    return Swept(tuple(gone), tuple(kept))
