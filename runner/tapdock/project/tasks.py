"""What is particular to the entries under `tasks:`: where they run, in which folder, and hints for wrong keys."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from tapdock.project.connector_values import Mount
from tapdock.project.fields import Field
from tapdock.project.model import Build, Connector

__all__ = ["INSTEAD", "PLAIN", "PROJECT", "placed", "runs_on_host"]

PROJECT = "/project"
"""The path of the project's folder in the container of a task without an image of its own."""
PLAIN = Build(family="python", package="")
"""The image of a task that names none: Python without packages."""
INSTEAD = {
    "config": "a task has no config: write what it needs as variables under `env`",
    "settings": "write what the task needs as variables under `env`",
    "command": "name what can be run under `commands`",
    "args": "write it in a command: `commands: {run: {args: …}}`",
    "executable": "write it in a command, or `entrypoint` for all commands",
    "pip_url": 'write `build: {pip: "sqlfluff==3.4.2"}`',
    "workdir": "write `working_dir`",
    "idle_timeout": "a task may be silent as long as it likes",
}
_OF_CONTAINERS = ("image", "build", "mounts", "platform", "network", "extra_hosts", "user", "memory", "cpus", "pids")


def runs_on_host(field: Field, keys: Mapping[str, Field]) -> bool:
    """Return True for `engine: host`. Raises UsageError for a key that only a container has."""
    if "engine" not in keys or keys["engine"].value != "host":
        return False
    for name in _OF_CONTAINERS:
        shared = (field.origins.get(("defaults", name)), "default")
        if name in keys and field.origins.get((*field.path, name)) not in shared:
            hint = f"remove it, or remove `engine: host`: only a container has `{name}`"
            raise keys[name].error("has no effect on the host", hint=hint)
    return True


def placed(task: Connector, keys: Mapping[str, Field], folder: Path) -> Connector:
    """Return the task with its folder. Without an image, it has the project's folder, and starts in it."""
    if task.is_on_host:
        return task
    if task.working_dir is not None and not task.working_dir.startswith("/"):
        hint = f"write an absolute path, for example `{PROJECT}` with `mounts: ['.:{PROJECT}']`"
        raise keys["working_dir"].error("is not an absolute path in the container", hint=hint)
    if "image" in keys or "build" in keys:
        return task
    mounted = any(mount.target == PROJECT for mount in task.mounts)
    mounts = task.mounts if mounted else (Mount(str(folder), PROJECT), *task.mounts)
    return dataclasses.replace(task, mounts=mounts, working_dir=task.working_dir or PROJECT)
