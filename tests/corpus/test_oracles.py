"""Tests that external checks accept every line that tapdock writes."""

from pathlib import Path
from typing import Any

import pytest

from corpus.material import (
    CAPTURED,
    FIXTURES,
    SDK,
    Run,
    configured,
    exact,
    fixtures,
    needs_corpus,
    read,
    selected,
    singer_files,
    streams_of,
)
from corpus.oracles import null_target, refused_catalog, refused_message
from corpus.test_same_singer import PASSED
from corpus.test_sources import READS
from corpus.test_to_airbyte import TAKEN, discovered
from tapdock.project.model import Namespacing
from tapdock.protocol.catalog import configured_catalog
from tapdock.translate.base import Quirks
from tapdock.translate.names import target_keys
from tapdock.translate.write.airbyte_stream import destination_streams

pytestmark = [needs_corpus, pytest.mark.long]

SMALL = 1 << 17
"""Maximum size in bytes of a file that the SDK reads quickly."""
COMPARED = [param for param in PASSED if param.values[1].stat().st_size < SMALL]
SDK_FILES = singer_files("meltano-sdk/target_test_streams")
NAMESPACED = Namespacing(kind="customformat", format="raw_${SOURCE_NAMESPACE}", prefix="p_")


def accepted(run: Run) -> None:
    assert {line: problem for line in run.out if (problem := refused_message(line))} == {}
    names = target_keys((stream.stream.key for stream in run.streams), run.translation.namespacing)
    assert refused_catalog(run.catalog or configured_catalog(run.streams, names=names)) is None


@pytest.mark.parametrize("namespacing", [Namespacing(), NAMESPACED], ids=["plain", "renamed"])
@pytest.mark.parametrize(("name", "file"), fixtures())
def test_the_protocol_accepts_what_an_airbyte_destination_gets(name: str, file: Path, namespacing: Namespacing) -> None:
    accepted(Run("airbyte-airbyte", selected(streams_of(name)), file.read_bytes(), namespacing=namespacing))


@pytest.mark.parametrize(("catalog", "file"), READS, ids=[file for _, file in READS])
def test_the_protocol_accepts_what_comes_of_a_real_source(catalog: str, file: str) -> None:
    accepted(Run("airbyte-airbyte", configured(CAPTURED / catalog), (CAPTURED / file).read_bytes()))


@pytest.mark.parametrize("state_type", ["global", "stream"])
@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_the_protocol_accepts_what_comes_of_a_tap(name: str, file: Path, state_type: Any) -> None:
    run = Run("singer-airbyte", (), file.read_bytes(), quirks=Quirks(state_type=state_type))
    accepted(run)
    kinds = {message["state"]["type"] for message in read(run.out, "STATE")}
    assert kinds == {state_type.upper()}, "kinds are never mixed"


@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_the_protocol_accepts_the_catalog_that_discovery_gives(name: str, file: Path) -> None:
    assert refused_catalog(configured_catalog(destination_streams(discovered(file)))) is None


@pytest.fixture(scope="module")
def taken() -> dict[str, Any]:
    """Return the result of the SDK's target for every output toward Singer, by route and name."""
    outputs = {f"same/{name}": Run("singer-singer", (), file.read_bytes()).out for name, file in params(COMPARED)}
    outputs |= {f"without/{name}": file.read_bytes().splitlines() for name, file in params(COMPARED)}
    for name, file in params(fixtures()):
        outputs[f"fixture/{name}"] = Run("airbyte-singer", selected(streams_of(name)), file.read_bytes()).out
    for catalog, file in READS:
        outputs[f"source/{file}"] = Run(
            "airbyte-singer", configured(CAPTURED / catalog), (CAPTURED / file).read_bytes()
        ).out
    return null_target(outputs)


def params(given: list[Any]) -> list[tuple[str, Path]]:
    return [param.values for param in given]


def oracle() -> dict[str, tuple[int, int]]:
    """Return exit code and number of STATE lines of the same target with the original files."""
    found = (SDK / "ORACLE_null_target_0.54.9.txt").read_text().splitlines() if SDK.is_dir() else []
    return {name: (int(code), int(states)) for code, states, name, _ in (line.split("|", 3) for line in found)}


@pytest.mark.parametrize(("name", "file"), SDK_FILES)
def test_an_sdk_target_ends_as_without_us(name: str, file: Path, taken: dict[str, Any]) -> None:
    """If the tap has no state, the target prints tapdock's baseline, unless that is empty."""
    code, states = oracle()[file.name]
    own = read(file.read_bytes().splitlines(), "STATE")
    ours = taken[f"same/{name}"]
    expected = 1 if code == 0 and not own else states
    assert (ours["code"], len(ours["states"])) == (code, expected), ours["error"]
    assert ours["misread"] == []
    if own and states:
        assert exact(ours["states"][-1]) == own[-1]["value"]


@pytest.mark.parametrize(("name", "file"), COMPARED)
def test_an_sdk_target_writes_what_it_writes_without_us(name: str, file: Path, taken: dict[str, Any]) -> None:
    """By itself, the target refuses ACTIVATE_VERSION before SCHEMA, and junk lines.

    With tapdock, it does not get these.
    """
    ours, without = taken[f"same/{name}"], taken[f"without/{name}"]
    if without["code"] == 0 or ours["code"]:
        assert (ours["code"], ours["error"], ours["records"]) == (
            without["code"],
            without["error"],
            without["records"],
        )
        assert ours["states"][-1:] == without["states"][-1:] or not read(file.read_bytes().split(b"\n"), "STATE")
    assert ours["misread"] == []


@pytest.mark.parametrize(("name", "file"), fixtures())
def test_an_sdk_target_takes_every_record_of_the_fixtures(name: str, file: Path, taken: dict[str, Any]) -> None:
    ours = taken[f"fixture/{name}"]
    assert (ours["code"], ours["error"], ours["misread"]) == (0, None, [])
    assert sum(ours["records"].values()) == len(read(file.read_bytes().splitlines(), "RECORD"))
    assert len(ours["states"]) == 1


@pytest.mark.parametrize("file", [file for _, file in READS])
def test_an_sdk_target_takes_every_record_of_a_real_source(file: str, taken: dict[str, Any]) -> None:
    ours = taken[f"source/{file}"]
    assert (ours["code"], ours["error"], ours["misread"]) == (0, None, [])
    assert sum(ours["records"].values()) == len(read((CAPTURED / file).read_bytes().splitlines(), "RECORD"))


def test_there_is_an_oracle_for_every_file() -> None:
    assert set(oracle()) == {file.name for _, file in params(SDK_FILES)}
    assert FIXTURES.is_dir()


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"RECORD","record":{"stream":"s","data":{}}}',
        b'{"type":"RECORD","record":{"data":{},"emitted_at":1}}',
        b'{"type":"SAYING","record":{}}',
        b'{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":{}}}}',
        b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1,"stream_status":{"status":"COMPLETE"}}}',
    ],
)
def test_the_judges_refuse_what_is_wrong(line: bytes) -> None:
    assert refused_message(line)
