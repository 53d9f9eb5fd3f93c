"""Which runs can have a limit of records: those that keep the rows of earlier runs."""

from tapdock.errors import UsageError
from tapdock.runs.begin import drops_rows
from tapdock.runs.prepare import Options, PreparedRun

__all__ = ["require_limitable"]


def require_limitable(prepared: PreparedRun, options: Options) -> None:
    """Raise UsageError for a limit if a part of the rows would replace all rows of earlier runs."""
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
    if prepared.scratch:
        raise UsageError(
            f"`--limit` cannot count the records in the files of source `{source}`, which has a `batch_config`",
            hint="remove `batch_config`, or run without `--limit`",
        )
