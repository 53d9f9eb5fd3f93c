"""The Python API: load a project, run its pipelines, and read its sources. Nothing is printed.

Each function can be called from any thread. Errors are those of the command line (`tapdock.errors`).
"""

from tapdock.api.jobs import JobResult
from tapdock.api.project import Project, Source, Target, load
from tapdock.api.records import Records

__all__ = ["JobResult", "Project", "Records", "Source", "Target", "load"]
