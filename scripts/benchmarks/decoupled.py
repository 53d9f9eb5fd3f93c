"""Rows of a source that cannot catch up and a target that pauses, in comparison with the slower of the two alone."""

from benchmarks.bench import Bench
from benchmarks.inside import program
from benchmarks.processes import measure
from benchmarks.rows import Budget, Row

__all__ = ["decoupled"]


def decoupled(bench: Bench) -> list[Row]:
    """Measure both with the default `buffer`, and with none, so that the source waits while the target pauses."""
    records = bench.sizes.paced_records
    source, target = (program(bench.folder, name) for name in ("paced_tap", "pausing_target"))
    config = {"records": records}
    given = bench.file("paced.json", config)
    printed = bench.folder / "paced.jsonl"
    printed.write_bytes(measure([source, "--config", given], keep_output=True).output)
    sides = {
        "source": {"image": str(source), "kind": "singer", "config": config},
        "target": {"image": str(target), "kind": "singer", "config": {}},
    }
    projects = {
        "default": bench.project("decoupled", **sides, local=True),
        "none": bench.project("coupled", **sides, local=True, options={"buffer": "0"}),
    }
    values = bench.interleaved(
        {
            "default": lambda: projects["default"].run(records=records).seconds,
            "none": lambda: projects["none"].run(records=records).seconds,
            "source alone": lambda: measure([source, "--config", given]).seconds,
            "target alone": lambda: measure([target, "--config", given], stdin=printed).seconds,
        }
    )
    slower = [max(pair) for pair in zip(values["source alone"], values["target alone"], strict=True)]
    name = f"run, a target that pauses, {records:,} records"
    return [
        Row(name=f"{name}: the slower alone", unit="s", ours=values["default"], floor=slower, budget=Budget(1.15)),
        Row(name=f"{name}, `buffer: 0`: the slower alone", unit="s", ours=values["none"], floor=slower),
    ]
