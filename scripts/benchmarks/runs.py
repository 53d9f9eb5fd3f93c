"""Rows of whole runs in containers: wall time, memory, throughput."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import TAPDOCK, Bench
from benchmarks.containers import run_command
from benchmarks.processes import Cost, measure
from benchmarks.recording import SOURCE, base_image, faker_config, null_image, replay_image
from benchmarks.rows import Budget, Row
from tapdock.events import Event
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.base import TranslateOptions
from tapdock.translate.maps.settings import MapSettings

__all__ = ["duckdb", "faker", "memory", "pipe", "replay", "translator", "wrapped"]

_TARGET = "tapdock/target-duckdb:0.8.0"


def faker(bench: Bench) -> list[Row]:
    """Measure a real source into a target that discards everything."""
    config = faker_config(bench.sizes.users)
    records = bench.recording.records
    values = _against_docker_run(bench, "faker", SOURCE, config, records)
    name = f"run, real source-faker, {records:,} records"
    return [
        Row(name=f"{name}: docker run", unit="s", ours=values["ours"], floor=values["default"], budget=Budget(1.0)),
        Row(name=f"{name}: no log", unit="s", ours=values["ours"], floor=values["none"], budget=Budget(1.05)),
    ]


def replay(bench: Bench) -> list[Row]:
    """Measure recorded messages, as fast as they can be read: the limit is the transport of bytes."""
    times = bench.sizes.replays
    records = bench.recording.records * times
    values = _against_docker_run(bench, "replay", replay_image(bench.recording), {"times": times}, records)
    name = f"run, {records:,} records replayed"
    return [
        Row(name=f"{name}: docker run", unit="s", ours=values["ours"], floor=values["default"], budget=Budget(0.5)),
        Row(name=f"{name}: no log", unit="s", ours=values["ours"], floor=values["none"], budget=Budget(1.0)),
    ]


def wrapped(bench: Bench) -> list[Row]:
    """Measure the same sources as wrapped taps, in comparison with the original image and with `tapdock run`."""
    users, times = bench.sizes.users, bench.sizes.replays
    records = bench.recording.records
    return [
        *_as_a_tap(bench, "real source-faker", SOURCE, faker_config(users), records),
        *_as_a_tap(bench, "replayed", replay_image(bench.recording), {"times": times}, records * times),
    ]


def _as_a_tap(bench: Bench, what: str, image: str, config: dict[str, int], records: int) -> list[Row]:
    tag = f"tapdock/bench-tap:{what.split()[-1]}"
    measure([TAPDOCK, "wrap", image, "--tag", tag], env={"TAPDOCK_BASE_IMAGE": base_image()})
    mounts = {bench.file("tap-config.json", config): "/config.json:ro"}
    asked = run_command(tag, "--config", "/config.json", "--discover", label=bench.label, mounts=mounts)
    catalog = bench.folder / f"{what.split()[-1]}-catalog.json"
    catalog.write_bytes(measure(asked, keep_output=True).output)
    mounts[catalog] = "/catalog.json:ro"
    words = ("--config", "/config.json", "--catalog", "/catalog.json")
    tap = run_command(tag, *words, label=bench.label, log_driver="none", mounts=mounts)
    bare = bench.read_command(image, config, log_driver="none")
    project = bench.project(f"tap {what}", source={"image": image, "config": config}, target={"image": null_image()})
    values = bench.interleaved(
        {
            "wrapped": lambda: measure(tap).seconds,
            "unwrapped": lambda: measure(bare).seconds,
            "tapdock run": lambda: project.run(records=records).seconds,
        }
    )
    name = f"wrapped tap, {what}, {records:,} records"
    return [
        Row(name=f"{name}: unwrapped", unit="s", ours=values["wrapped"], floor=values["unwrapped"]),
        Row(name=f"{name}: tapdock run", unit="s", ours=values["wrapped"], floor=values["tapdock run"]),
    ]


def _against_docker_run(
    bench: Bench, name: str, image: str, config: dict[str, int], records: int
) -> dict[str, list[float]]:
    project = bench.project(name, source={"image": image, "config": config}, target={"image": null_image()})
    command = bench.read_command(image, config)
    without_log = bench.read_command(image, config, log_driver="none")
    return bench.interleaved(
        {
            "ours": lambda: project.run(records=records).seconds,
            "default": lambda: measure(command).seconds,
            "none": lambda: measure(without_log).seconds,
        }
    )


def duckdb(bench: Bench) -> list[Row]:
    """Measure a real source into a real target, in comparison with the slower of the two alone."""
    records = bench.recording.records
    config = faker_config(bench.sizes.users)
    data = bench.folder / "data"
    data.mkdir()
    settings = {"path": "/data/bench.duckdb", "default_target_schema": "main"}
    target = {"image": _TARGET, "config": settings, "mounts": [f"{data}:/data"]}
    project = bench.project("duckdb", source={"image": SOURCE, "config": config}, target=target)
    read = bench.read_command(SOURCE, config, log_driver="none")
    write = _write_command(bench, settings, data)
    singer = _translated(bench)

    def emptied() -> None:
        for file in data.iterdir():
            file.unlink()

    def ours() -> float:
        emptied()
        return project.run(records=records).seconds

    def target_alone() -> float:
        emptied()
        return measure(write, stdin=singer).seconds

    values = bench.interleaved(
        {"ours": ours, "source alone": lambda: measure(read).seconds, "target alone": target_alone}
    )
    slower = [max(pair) for pair in zip(values["source alone"], values["target alone"], strict=True)]
    name = f"run, real source-faker to target-duckdb, {records:,} records: the slower alone"
    return [Row(name=name, unit="s", ours=values["ours"], floor=slower, budget=Budget(1.3))]


def _write_command(bench: Bench, settings: dict[str, str], data: Path) -> list[str]:
    return run_command(
        _TARGET,
        "--config",
        "/config.json",
        label=bench.label,
        log_driver="none",
        mounts={bench.file("target.json", settings): "/config.json:ro", data: "/data"},
        options=["--interactive", f"--user={os.getuid()}:{os.getgid()}"],
    )


def _translated(bench: Bench) -> Path:
    """Write the recording as the input of a target, and return the file."""
    path = bench.folder / "singer.jsonl"
    translation = translator(bench.recording.streams)
    with path.open("wb") as file:
        file.write(translation.opening())
        for batch in bench.recording.batches():
            file.write(translation.feed(batch))
        file.write(translation.closing(complete=True))
    return path


def translator(streams: tuple[ConfiguredStream, ...], maps: MapSettings | None = None) -> AirbyteToSinger:
    """Return the relay's translator, without receivers for its events."""

    def silent(event: Event) -> None: ...

    options = TranslateOptions(maps=maps)
    return AirbyteToSinger(streams=streams, saved=None, emit=silent, clock=time.monotonic, translation=options)


def _replayed(bench: Bench, name: str, times: int) -> Callable[[], Cost]:
    """Return a function that runs the recording, `times` times, into a target that discards everything."""
    source = {"image": replay_image(bench.recording), "config": {"times": times}}
    project = bench.project(f"{name}-{times}", source=source, target={"image": null_image()})
    return lambda: project.run(records=bench.recording.records * times)


def memory(bench: Bench) -> list[Row]:
    """Measure the highest memory of the tapdock process, which is the same for a small run and a large one."""
    few, many = bench.sizes.memory
    small, big = _replayed(bench, "memory", few), _replayed(bench, "memory", many)
    values = bench.interleaved({"few": lambda: small().megabytes, "many": lambda: big().megabytes})
    limit = Budget(80, of="ours")
    name = f"memory of tapdock, {bench.recording.records * few:,} records"
    more = f"memory of tapdock, {bench.recording.records * many:,} records"
    return [
        Row(name=name, unit="MB", ours=values["few"], budget=limit),
        Row(name=more, unit="MB", ours=values["many"], budget=limit),
        Row(name=f"{more}: fewer", unit="MB", ours=values["many"], floor=values["few"], budget=Budget(1.1)),
    ]


def pipe(bench: Bench) -> list[Row]:
    """Measure throughput between containers, as the difference of two runs, so that the start does not count."""
    few, many = bench.sizes.pipe
    short, long = _replayed(bench, "pipe", few), _replayed(bench, "pipe", many)
    messages = bench.recording.messages
    megabytes = messages.stat().st_size * (many - few) / 1e6
    command = ["sh", "-c", 'cat "$@" | cat >/dev/null', "sh", *[str(messages)] * (many - few)]

    def ours() -> float:
        return megabytes / (long().seconds - short().seconds)

    values = bench.interleaved({"ours": ours, "cat | cat": lambda: megabytes / measure(command).seconds})
    name = "container, pipe, tapdock, pipe, container: cat | cat"
    return [Row(name=name, unit="MB/s", ours=values["ours"], floor=values["cat | cat"])]
