"""Which runs can have a limit of records: those whose records can be counted, and that keep earlier rows."""

from tapdock.errors import UsageError
from tapdock.runs.begin import drops_rows
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun

__all__ = ["require_limitable"]


def require_limitable(prepared: PreparedRun, options: Options) -> None:
    """Raise UsageError for a limit if it cannot be counted, or if a few rows would replace those of earlier runs."""
    if options.limit is None:
        return
    source, target = prepared.source.connector.name, prepared.target.connector.name
    hint = f"`tapdock preview {source}` shows the first records without a target"
    if names := [f"`{one.stream.key}`" for one in prepared.streams if one.destination_sync_mode == "overwrite"]:
        raise UsageError(
            f"`--limit` would replace all rows of {', '.join(names)} in target `{target}` with a few",
            hint=f"set `destination_sync_mode: append` for these streams, or leave them out with `--exclude`; {hint}",
        )
    if drops_rows(prepared):
        raise UsageError(
            f"`--limit` would replace rows of earlier runs: target `{target}` removes them when it starts", hint=hint
        )
    if options.full_refresh and options.save_state:
        raise UsageError(
            f"`--limit` with `--full-refresh` would clear the state `{prepared.state_id}` for a few records",
            hint=f"add `--no-state-update`, which leaves the state as it is; {hint}",
        )
    if prepared.mapper:
        raise UsageError(
            f"`--limit` does not support mappers: `{prepared.mapper.name}` may rename and drop the records to count",
            hint=f"run without `--limit`; {hint}, and without the mapper",
        )
    if prepared.scratch:
        raise UsageError(
            f"`--limit` cannot count the records in the files of source `{source}`, which has a `batch_config`",
            hint="remove `batch_config`, or run without `--limit`",
        )
