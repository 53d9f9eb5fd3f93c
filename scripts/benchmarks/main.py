"""The command line of `scripts/bench`."""

import argparse
import json
import os
import platform
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import FULL, QUICK, Bench, say
from benchmarks.containers import ask, labelled
from benchmarks.decoupled import decoupled
from benchmarks.inside import cli, cpu, latency
from benchmarks.maps import maps
from benchmarks.processes import BenchError
from benchmarks.routes import routes
from benchmarks.rows import Row, as_json, table
from benchmarks.runs import duckdb, faker, memory, pipe, replay, wrapped
from tapdock import __version__

__all__ = ["GROUPS", "machine", "main"]

GROUPS: dict[str, Callable[[Bench], list[Row]]] = {
    "faker": faker,
    "replay": replay,
    "duckdb": duckdb,
    "wrapped": wrapped,
    "cpu": cpu,
    "memory": memory,
    "latency": latency,
    "cli": cli,
    "pipe": pipe,
    "routes": routes,
    "decoupled": decoupled,
    "maps": maps,
}


def main() -> int:
    """Return 0 if everything was measured, also if a budget is exceeded."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    label = secrets.token_hex(6)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, labelled(label):
            sizes = QUICK if options.quick else FULL
            bench = Bench(Path(folder), _cache(), label, sizes, options.rounds or (2 if options.quick else 3))
            facts = machine()
            rows = _measured(bench, options.only or list(GROUPS))
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(as_json(rows, facts), indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="use a twentieth of the data, to check that it works")
    parser.add_argument("--rounds", type=int, help="how often each side is measured (default: 3; with --quick 2)")
    parser.add_argument("--only", action="append", choices=GROUPS, metavar="NAME", help=f"one of {', '.join(GROUPS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    return parser


def _measured(bench: Bench, names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        say(f"measuring {name}")
        rows += GROUPS[name](bench)
    return rows


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tapdock" / "bench"


def machine() -> dict[str, object]:
    """Return facts about the machine, and its load before the measurements."""
    return {
        "tapdock": __version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "engine": ask("version", "--format", "{{.Server.Version}}"),
        "load_before": os.getloadavg()[0],
    }
