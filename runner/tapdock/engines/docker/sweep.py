"""What dead runs left on an engine: found, and removed."""

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
"""A run that nobody can tell the end of: none of what is left runs, and nothing happened for so long."""


class Leftover(NamedTuple):
    """A container, a volume or a network that nobody needs any more."""

    name: str
    remove: Callable[[], Any]


def found(api: Any, runs: Callable[[str], bool | None]) -> Iterator[Leftover]:
    """Containers, then volumes and networks, whose runner is gone. `runs` tells of a container's id whether it does.

    Only those whose name and labels both are of a run: anybody may put a label on anything.
    """
    for container in api.containers(all=True, filters={"label": LABEL_RUN}):
        if not _is_of_a_run(container["Names"][0].lstrip("/"), container["Labels"]):
            continue
        alive = owner.is_alive(container["Labels"].get(LABEL_OWNER, ""), runs=runs)
        if alive is None and container["State"] != "running":
            alive = not _is_long_ago(datetime.fromtimestamp(container["Created"], UTC))
        if alive is False:
            remove = partial(api.remove_container, container["Id"], force=True, v=True)
            yield Leftover(container["Names"][0].lstrip("/"), remove)
    for volume in api.volumes(filters={"label": LABEL_RUN})["Volumes"] or []:
        labels: Mapping[str, str] = volume["Labels"] or {}
        if not _is_of_a_run(volume["Name"], labels):
            continue
        alive = owner.is_alive(labels.get(LABEL_OWNER, ""), runs=runs)
        if alive is None and volume.get("CreatedAt"):
            alive = not _is_long_ago(datetime.fromisoformat(volume["CreatedAt"]))
        if alive is False:  # removed without force: what a container still has is refused, and found the next time
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
    """Remove them. What cannot be removed is not a reason not to run."""
    gone: list[str] = []
    kept: list[tuple[str, str]] = []
    for leftover in leftovers:
        try:
            leftover.remove()
        except docker.errors.NotFound:
            continue  # somebody else swept it
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:  # which is: somebody else is sweeping it, or it is in use
                kept.append((leftover.name, reason_of(error)))
        except CONNECTION as error:
            kept.append((leftover.name, reason_of(error)))
        else:
            gone.append(leftover.name)
    return Swept(tuple(gone), tuple(kept))
