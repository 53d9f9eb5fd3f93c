"""Describe what a run of a task would do, without an engine."""

from typing import Any

from tapdock.project.blocks import TaskBlock
from tapdock.project.model import Project

__all__ = ["task_plan"]


def task_plan(project: Project, block: TaskBlock) -> dict[str, Any]:
    """Return the words of a command and where it runs, for people and programs."""
    task = project.tasks[block.task]
    command = task.commands[block.command]
    program = (command.executable,) if command.executable else task.entrypoint or ()
    folder = f", in {task.working_dir}" if task.working_dir else ""
    if task.is_on_host:
        where = f"on this machine, without a container and without isolation{folder or f', in {project.folder}'}"
    else:
        where = f"in a container of {task.image}{folder}"
    return {
        "task": block.name,
        "engine": task.engine,
        "image": task.image or None,
        "words": [*program, *command.args],
        "working_dir": task.working_dir,
        "where": where,
    }
