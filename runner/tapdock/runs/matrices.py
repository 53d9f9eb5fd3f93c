"""Check the matrices of a project: that their rows can be read, and that each row has its variables."""

from collections.abc import Iterator

import msgspec

from tapdock.errors import UsageError
from tapdock.project.model import Project
from tapdock.runs import needs
from tapdock.runs.findings import Finding

__all__ = ["of_matrices"]


def of_matrices(project: Project) -> Iterator[Finding]:
    """Check the rows of each matrix and the variables of their connectors. Programs that print rows are not started."""
    for each in project.pipelines.values():
        if each.matrix is None or project.rows is None or not each.is_template:
            continue
        what = f"matrix of {each.name}"
        if each.matrix.command:
            yield Finding(what=what, found=f"`{each.matrix.command[0]}` prints the rows; it was not started")
            continue
        try:
            rows = project.rows.pipelines(project, each, None)
        except UsageError as error:
            yield Finding(what=what, level="error", found=error.message, fix=error.hint)
            continue
        yield Finding(what=what, found=f"{len(rows)} rows")
        for row in rows:
            hooks = {word.partition(":")[0] for word in row.tasks}
            users = [one for one in (row.variant.connectors if row.variant else ()) if one.row]
            for connector in (one for one in users if one.role != "task" or one.name in hooks):
                for found in needs.of_variables(connector):
                    yield msgspec.structs.replace(found, what=f"variables of {row.name}")
