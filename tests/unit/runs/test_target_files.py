"""Tests that no run replaces a file whose rows are not sent again."""

from contextlib import nullcontext
from typing import Any

import pytest

from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.resolved import Resolved
from tapdock.errors import UsageError
from tapdock.launch import ImageFacts
from tapdock.project.connector_values import Mount
from tapdock.project.model import Connector, SyncMode
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.target_files import file_of, replaces_files, require_files
from tapdock.translate.base import Quirks

CSV, S3 = "meltanolabs-target-csv==0.5.0", "pipelinewise-target-s3-csv==1.5.0"
REPLACED = "stream `s0` is incremental, but target `t` replaces its files in every run"
ONE_FILE = "target `t` would write all streams to one file"
TIMED = {"file_naming_scheme": "{stream_name}/{timestamp}.csv"}


def streams(*modes: SyncMode) -> tuple[ConfiguredStream, ...]:
    return tuple(ConfiguredStream(stream=Stream(name=f"s{place}"), sync_mode=mode) for place, mode in enumerate(modes))


def quirks(package: str) -> Quirks:
    return quirks_of(ImageFacts(image="x", digest="sha256:0", labels={"io.tapdock.package": package}))


@pytest.mark.parametrize(
    ("package", "config", "problem"),
    [
        (CSV, {}, None),
        (S3, {}, None),
        (S3, {"naming_convention": "{stream}.csv"}, None),
        (S3, {"naming_convention": "all-{timestamp}.csv"}, None),
        (S3, {"naming_convention": "all.csv"}, "cannot be checked by writing: it would replace `all.csv`"),
        (CSV, {"file_naming_scheme": "all"}, "cannot be checked by writing: it would replace `all`"),
    ],
)
def test_a_check_writes_a_file_of_its_own(package: str, config: dict[str, Any], problem: str | None) -> None:
    known, connector = quirks(package), Connector(name="t", role="target", image="x")
    facts = ImageFacts(image="x", digest="sha256:0")
    target = PreparedConnector(connector=connector, facts=facts, kind="singer", quirks=known)
    with nullcontext() if problem is None else pytest.raises(UsageError, match=problem):
        require_files(target, Resolved(user=config, given=config), streams("incremental"), known, is_check=True)


@pytest.mark.parametrize(
    ("package", "config", "modes", "problem", "hint"),
    [
        (CSV, {}, ["incremental"], REPLACED, 'file_naming_scheme: "{stream_name}-{timestamp}.csv"`, or read'),
        (CSV, {"file_naming_scheme": "all"}, ["incremental"], REPLACED, '"all-{timestamp}"'),
        (CSV, {"file_naming_scheme": "a/{stream_name}"}, ["incremental"], REPLACED, '"a/{stream_name}-{timestamp}"'),
        (CSV, {"file_naming_scheme": "{stream_name}-{datestamp}.csv"}, ["incremental"], REPLACED, "-{timestamp}.csv"),
        (
            CSV,
            {**TIMED, "timestamp_format": "%Y-%m-%d"},
            ["incremental"],
            REPLACED,
            "add `%H%M%S` to `targets.t.config",
        ),
        (CSV, {**TIMED, "timestamp_format": "%s"}, ["incremental"], None, None),
        (CSV, TIMED, ["full_refresh", "incremental"], None, None),
        (CSV, {}, ["full_refresh", "full_refresh"], None, None),
        (CSV, {}, [], "the streams of this tap may be incremental", "{timestamp}"),
        (CSV, TIMED, [], None, None),
        (CSV, {"file_naming_scheme": "all-{timestamp}.csv"}, ["full_refresh"] * 2, ONE_FILE, "add `{stream_name}` to"),
        (CSV, {"file_naming_scheme": "all-{timestamp}.csv"}, ["incremental"], None, None),
        (S3, {}, ["incremental"], None, None),
        (
            S3,
            {"naming_convention": "{stream}/{date}.csv"},
            ["incremental"],
            REPLACED,
            '"{stream}/{date}-{timestamp}.csv"',
        ),
        ("target-jsonl==0.1.4", {"do_timestamp_file": False}, ["incremental"], None, None),
    ],
)
def test_a_file_is_only_replaced_where_all_rows_are_sent_again(
    package: str, config: dict[str, Any], modes: list[SyncMode], problem: str | None, hint: str | None
) -> None:
    known = quirks(package)
    connector = Connector(name="t", role="target", image="x")
    facts = ImageFacts(image="x", digest="sha256:0")
    target = PreparedConnector(connector=connector, facts=facts, kind="singer", quirks=known)
    if problem is None:
        require_files(target, Resolved(user=config, given=config), streams(*modes), known)
        return
    with pytest.raises(UsageError, match=problem) as caught:
        require_files(target, Resolved(user=config, given=config), streams(*modes), known)
    assert (hint or "") in (caught.value.hint or "")


def test_it_is_known_which_targets_drop_the_rows_of_a_failed_attempt() -> None:
    assert replaces_files(Resolved(user={}, given={}), quirks(CSV))
    assert not replaces_files(Resolved(user=TIMED, given=TIMED), quirks(CSV))
    assert not replaces_files(Resolved(user={}, given={}), quirks(S3))
    assert not replaces_files(Resolved(user={}, given={}), Quirks())


DATA, INNER, VOLUME = Mount("/srv/data", "/data"), Mount("/srv/inner", "/data/inner"), Mount("rows", "/rows")


@pytest.mark.parametrize(
    ("package", "config", "file"),
    [
        (CSV, {"output_path": "/data"}, ("/srv/data/users.csv", True)),
        (CSV, {"destination_path": "/data/x/../inner"}, ("/srv/inner/users.csv", True)),
        (CSV, {"output_path": "/data", "file_naming_scheme": "inner/all.csv"}, ("/srv/inner/all.csv", True)),
        (CSV, {"output_path_prefix": "/rows"}, ("rows/users.csv", True)),
        (CSV, {"output_path": "/elsewhere"}, ("/elsewhere/users.csv", False)),
        (CSV, {}, ("users.csv", False)),
        (S3, {"naming_convention": "/data/{stream}.csv"}, ("/data/users.csv", False)),
    ],
)
def test_the_file_of_a_stream_on_this_machine(package: str, config: dict[str, Any], file: tuple[str, bool]) -> None:
    known = quirks(package)
    connector = Connector(name="t", role="target", image="x", mounts=(DATA, INNER, VOLUME))
    facts = ImageFacts(image="x", digest="sha256:0")
    target = PreparedConnector(connector=connector, facts=facts, kind="singer", quirks=known)
    assert known.replaces_files is not None
    found = file_of(target, Resolved(user=config, given=config), "users", known.replaces_files, local=False)
    assert found == file
