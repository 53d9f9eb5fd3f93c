"""What `run --dry-run` and `run --dump` print: a plan, and what each side would be given."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tapdock.cli.assembly import said
from tapdock.cli.state import print_exactly, text_of
from tapdock.connectors.about import about
from tapdock.connectors.context import Context as Operations
from tapdock.connectors.paths import unmounted
from tapdock.project.blocks import TaskBlock
from tapdock.project.model import Pipeline
from tapdock.protocol.catalog import StreamKey
from tapdock.runs.chosen import added_fields
from tapdock.runs.earlier_rows import earlier_rows
from tapdock.runs.given import Part, files_given, messages_given, started
from tapdock.runs.limited import require_limitable
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun, prepare
from tapdock.runs.schema_policy import report, require_accepted
from tapdock.runs.target_modes import target_mode
from tapdock.runs.task_plan import task_plan
from tapdock.runs.windows import require_windowable
from tapdock.state.store import read
from tapdock.text.clean import one_line
from tapdock.text.output import out, out_json, print_json, print_table
from tapdock.translate.maps.describe import describe
from tapdock.translate.maps.stream_map import StreamMap

__all__ = ["own_file", "planned", "show_given", "show_plans"]

_MOST_LEFT = 20
_WARNING = "warning: "


def own_file(file: str | None) -> str | None:
    """Return the text of a file that the user names for one run. Raises UsageError if it cannot be read."""
    return None if file is None else text_of(file)


def planned(operations: Operations, pipeline: Pipeline, options: Options) -> PreparedRun:
    """Prepare a run that is not started. Raises TapdockError if it would not begin, also because of its state."""
    plan = prepare(operations, pipeline, options)
    require_accepted(operations.project, pipeline, plan.schema)
    require_limitable(plan, options)
    require_windowable(operations, plan, options)
    started(operations, plan, options)
    return plan


def show_given(operations: Operations, plan: PreparedRun, options: Options, part: Part) -> None:
    """Print what each side would be given: JSON, or the messages for the target, one a line."""
    if part != "messages":
        print_exactly(dict(files_given(operations, plan, options, part)))
        return
    for line in messages_given(operations, plan, options, say=said):
        out_json(line)


def show_plans(
    operations: Operations,
    plans: Sequence[PreparedRun],
    options: Options,
    *,
    as_json: bool,
    tasks: Sequence[TaskBlock] = (),
) -> None:
    """Print what each run would read, and where it would start; of tasks, what they run, and where."""
    described = [
        _described(operations, plan, options, has_state=read(operations.backend, plan.state_id) is not None)
        for plan in plans
    ]
    commands = [task_plan(operations.project, each) for each in tasks]
    if as_json:
        both = [*described, *commands]
        print_json(both[0] if len(both) == 1 else both)
        return
    for each in commands:
        out(one_line(f"{each['task']}: runs `{shlex.join(each['words'])}` {each['where']}"))
    for plan, facts in zip(plans, described, strict=True):
        if options.state is not None:
            state = "starting from the state of `--state`, without saving one"
        elif options.window:
            state = f"reading the window {options.window}, without the saved state"
        else:
            state = _start(options, has_state=facts["has_state"])
        chain = " -> ".join((facts["source"], *facts["mappers"], facts["target"]))
        out(f"{plan.pipeline.name}: {chain}; {plan.state_id}: {state}")
        rows = [
            (s["stream"], s["sync_mode"], s["destination_sync_mode"] or "set by the target", *_key_and_cursor(s))
            for s in facts["streams"]
        ]
        print_table(["stream", "sync mode", "destination", "key", "cursor"], rows)
        if left := [f"{s['stream']}.{name}" for s in facts["streams"] for name in s["excluded"]]:
            more = f" and {len(left) - _MOST_LEFT} more" if len(left) > _MOST_LEFT else ""
            out(one_line(f"not read: {', '.join(left[:_MOST_LEFT])}{more}"))
        if uses := facts.get("maps"):
            print_table(["stream", "in the target", "field", "what happens to it"], _uses(uses))
        for kind, found in report(plan.schema).items():
            out(one_line(f"schema changes since run {plan.schema.since}, {kind.replace('_', ' ')}: {found}"))
        if added := added_fields(plan.streams):
            out(one_line(f"read although not selected, because they are keys or cursors: {added}"))
        for each in facts["paths_without_mount"]:
            said(f"warning: `{each}` is a path in the container, and no mount covers it")


def _start(options: Options, *, has_state: bool) -> str:
    if has_state and options.full_refresh:
        kept = "the state stays as it is" if not options.save_state else "the state of these streams is removed first"
        return f"reading everything again: {kept}"
    return "resuming from the saved state" if has_state else "starting from scratch: no state is saved"


def _uses(uses: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of the table of maps: each field of a stream with maps, and one row for another stream."""
    for use in uses:
        stream, target = use["stream"], use["target"]
        if use["filter"]:
            yield stream, target, "(records)", f"only where `{use['filter']}`"
        for field in use["fields"]:
            yield stream, target, field["field"], field["what"]


def _mapped(plan: PreparedRun) -> list[dict[str, Any]]:
    """Return what happens to each field of the streams of a run with maps."""
    maps: dict[StreamKey, list[StreamMap]] = {}
    for each in plan.landed:
        maps.setdefault(each.source.stream.key, []).extend([each.map] if each.map else [])
    return [
        {
            "stream": use.stream,
            "target": use.alias,
            "filter": use.filter,
            "fields": [{"field": field.field, "what": field.what} for field in use.fields],
        }
        for stream in plan.streams
        for use in describe(stream, maps[stream.stream.key] or None)
    ]


def _key_and_cursor(stream: dict[str, Any]) -> tuple[str, str]:
    return ", ".join(stream["key"]), ".".join(stream["cursor"])


def _described(operations: Operations, plan: PreparedRun, options: Options, *, has_state: bool) -> dict[str, Any]:
    target = about(operations, plan.target)
    anew = options.full_refresh or options.window is not None or options.state is not None
    warnings = [
        operations.message(line)
        for line in earlier_rows(operations.of(plan.pipeline), plan, resumes=has_state and not anew)
    ]
    for line in warnings:
        operations.once(line)
    return {
        "pipeline": plan.pipeline.name,
        "source": plan.source.facts.image,
        "mappers": [plan.mapper.ready.facts.image] if plan.mapper else [],
        "target": plan.target.facts.image,
        "state_id": plan.state_id,
        "has_state": has_state,
        "paths_without_mount": [
            each.place for ready, _ in plan.sides for each in unmounted(operations.engine, ready.connector)
        ],
        "warnings": [line.removeprefix(_WARNING) for line in warnings if line.startswith(_WARNING)],
        "schema_changes": msgspec.to_builtins(plan.schema.changes),
        **({"maps": _mapped(plan)} if plan.translation.maps else {}),
        "streams": [
            {
                "stream": str(stream.stream.key),
                "sync_mode": stream.sync_mode,
                "destination_sync_mode": target_mode(plan, target, stream),
                "key": [".".join(path) for path in stream.primary_key],
                "cursor": list(stream.cursor_field),
                "excluded": [*stream.excluded, *(".".join(path) for path in stream.nested)],
                "added": list(stream.added),
            }
            for stream in plan.streams
        ],
    }
