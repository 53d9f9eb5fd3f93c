"""What dead runs left on an engine."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import docker.errors

from tapdock.engines import owner
from tapdock.engines.docker_run import CONNECTION, LABEL_OWNER, LABEL_RUN

__all__ = ["containers", "volumes"]

_SURELY_OVER = timedelta(hours=1)
"""A run that nobody can tell the end of: none of what is left runs, and nothing happened for so long."""


def containers(api: Any, runs: Callable[[str], bool | None]) -> Iterator[str]:
    """Remove containers whose runner is gone; their names. `runs` tells of a container's id whether it does."""
    for container in api.containers(all=True, filters={"label": LABEL_RUN}):
        alive = owner.is_alive(container["Labels"].get(LABEL_OWNER, ""), runs=runs)
        if alive is None and container["State"] != "running":
            alive = not _is_long_ago(datetime.fromtimestamp(container["Created"], UTC))
        if alive is False and _removed(partial(api.remove_container, container["Id"], force=True, v=True)):
            yield container["Names"][0].lstrip("/")


def volumes(api: Any, runs: Callable[[str], bool | None]) -> Iterator[str]:
    """Remove volumes whose runner is gone; their names."""
    for volume in api.volumes(filters={"label": LABEL_RUN})["Volumes"] or []:
        labels: Mapping[str, str] = volume["Labels"] or {}
        alive = owner.is_alive(labels.get(LABEL_OWNER, ""), runs=runs)
        if alive is None and volume.get("CreatedAt"):
            alive = not _is_long_ago(datetime.fromisoformat(volume["CreatedAt"]))
        # Without force: what a container still has is refused, and the next run finds it.
        if alive is False and _removed(partial(api.remove_volume, volume["Name"])):
            yield volume["Name"]


def _is_long_ago(moment: datetime) -> bool:
    return datetime.now(UTC) - moment > _SURELY_OVER


def _removed(remove: Callable[[], Any]) -> bool:
    """One that cannot be removed is no reason not to run: `tapdock doctor` shows what is left."""
    try:
        remove()
    except docker.errors.NotFound:
        return False  # somebody else swept it
    except CONNECTION:
        return False
    return True
