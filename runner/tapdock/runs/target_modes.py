"""Find out what a target does with the rows of a stream, as far as it is known before a run."""

from tapdock.connectors.about import About
from tapdock.project.model import DestinationMode
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.target_files import replaces_files
from tapdock.translate.catalogs.singer import says_keyless

__all__ = ["target_mode"]


def target_mode(run: PreparedRun, about: About, stream: ConfiguredStream) -> DestinationMode | None:
    """Return how the target writes the rows of a stream; None if only the target decides.

    A Singer target has no modes. It merges by the key in the SCHEMA, appends or replaces, depending on its program and
    its settings. `about` is its description.
    """
    quirks, config = run.translation.quirks, run.target_config.given
    if run.target.kind == "airbyte" or stream.destination_sync_mode == "overwrite":
        return stream.destination_sync_mode
    if quirks.tables == ("kept",):
        return "overwrite" if replaces_files(run.target_config, quirks) else "append"
    loads = about.has_setting("load_method") or (about.silent and "load_method" in config)
    if loads and not quirks.ignores_load_method:
        method = config.get("load_method", about.default("load_method"))
        if method in ("append-only", "overwrite"):
            return "append" if method == "append-only" else "overwrite"
        merges: bool | None = True if method == "upsert" else None
    elif config.get("append_only") is True:  # a setting of pipelinewise-target-bigquery
        return "append"
    else:
        merges = bool(quirks.ignores_load_method or quirks.wants_key) or None
    if run.source.kind == "airbyte":
        return stream.destination_sync_mode
    if merges and stream.stream.source_defined_primary_key:
        return "append_dedup"
    return "append" if merges and says_keyless(stream.stream) else None
