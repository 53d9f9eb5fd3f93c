"""The table of quirks: where known connectors differ from the protocol. Other code never depends on a name."""

import msgspec

from tapdock.launch import ImageFacts
from tapdock.translate.base import FileNames, Quirks, ValueChange

__all__ = ["quirks_of"]

# Based on PipelineWise's target loop, which prints no state for an empty last batch (protocol.md 2.4) and ignores
# ACTIVATE_VERSION.
_PIPELINEWISE = Quirks(ack_on_exit=True, wants_key="primary_key_required", activates=False, tables=("split",))

# Made with Meltano's SDK. Every target of the SDK accepts BATCH; these do not advertise it.
_MELTANO = Quirks(takes_batches=True)

_SHEETS = FileNames(
    setting="file_naming_scheme",
    default="{stream_name}.csv",
    stream="{stream_name}",
    time="{timestamp}",
    time_format="timestamp_format",
    folders=("output_path", "destination_path", "output_path_prefix"),
)
_OBJECTS = FileNames(
    setting="naming_convention", default="{stream}-{timestamp}.csv", stream="{stream}", time="{timestamp}"
)

# Measured with the releases of guides/silent-changes.md.
_DOUBLES = ValueChange(of="number", how="stores numbers as double precision, with about 16 digits")
_PYTHON = "as Python prints them, which is not JSON"

_BY_PROGRAM = {
    "airbyte-destination-pgvector": Quirks(ack_on_exit=True, tables=("bare",), longest_table=63),
    "meltanolabs-tap-postgres": Quirks(log_key="_sdc_lsn"),
    "meltanolabs-target-csv": msgspec.structs.replace(
        _MELTANO,
        activates=False,
        tables=("kept",),
        replaces_files=_SHEETS,
        changes=(
            ValueChange(of="boolean", how="stores booleans as `True` and `False`"),
            ValueChange(of="object", how=f"stores objects {_PYTHON}", repaired=True),
            ValueChange(of="array", how=f"stores arrays {_PYTHON}", repaired=True),
        ),
    ),
    "meltanolabs-target-postgres": msgspec.structs.replace(_MELTANO, ignores_load_method=True, tables=("last_kept",)),
    "meltanolabs-target-snowflake": Quirks(tables=("last",)),
    # It writes Python's text of a timedelta (`row_to_singer_record` in version 1.6.0).
    "pipelinewise-tap-mysql": Quirks(
        changes=(
            ValueChange(
                of="time",
                how="writes times without a leading zero (`8:05:00`), and with days if they are negative or of 24 hours"
                " or more (`1 day, 1:00:00`), which a target may refuse or store as null",
            ),
        )
    ),
    "pipelinewise-tap-postgres": Quirks(unordered_start=True),
    "pipelinewise-target-bigquery": msgspec.structs.replace(_PIPELINEWISE, tables=("split_words",)),
    "pipelinewise-target-postgres": msgspec.structs.replace(
        _PIPELINEWISE,
        longest_table=63,
        changes=(
            _DOUBLES,
            ValueChange(of="string", how="stores line feeds as `\\n` and empty text as null", repaired=True),
        ),
    ),
    "pipelinewise-target-redshift": _PIPELINEWISE,
    "pipelinewise-target-s3-csv": Quirks(tables=("kept",), replaces_files=_OBJECTS),
    "pipelinewise-target-snowflake": Quirks(tables=("split",), wants_key="primary_key_required"),
    "target-csv": Quirks(tables=("kept",)),
    # With this setting, a row contains a time, so that DuckDB does not take the first row of a CSV file for its header.
    "target-duckdb": msgspec.structs.replace(
        _PIPELINEWISE,
        loses_rows_without="add_metadata_columns",
        changes=(_DOUBLES, ValueChange(of="string", how="stores empty text as null", repaired=True)),
    ),
    "target-jsonl": Quirks(tables=("kept",)),
    "z3-target-bigquery": Quirks(tables=("whole",)),
}


def quirks_of(facts: ImageFacts) -> Quirks:
    """Return the quirks by the package that the image was built from, else by the last part of the image's name.

    An image whose recipe repaired the package (the label `io.tapdock.repaired`) loses no rows and changes fewer values.
    """
    package = facts.labels.get("io.tapdock.package", "").split(" ")[0]
    name = facts.image.rpartition("@")[0] or facts.image
    for known in (_bare(package), name.rpartition("/")[2].partition(":")[0]):
        if known in _BY_PROGRAM:
            quirks = _BY_PROGRAM[known]
            if known not in facts.labels.get("io.tapdock.repaired", "").split(","):
                return quirks
            changes = tuple(change for change in quirks.changes if not change.repaired)
            return msgspec.structs.replace(quirks, loses_rows_without=None, changes=changes)
    return Quirks()


def _bare(requirement: str) -> str:
    """Return the package name of a requirement such as `target-duckdb[extra]==0.8.0`."""
    for mark in "[=<>!~;@ ":
        requirement = requirement.partition(mark)[0]
    return requirement.lower().replace("_", "-")
