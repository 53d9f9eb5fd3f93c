"""The project `routes/`, the rows in each of its targets, and the output of its connectors without tapdock."""

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from e2e.project import HERE, Shop

Row = dict[str, Any]
CHANGES = """
INSERT INTO shop.orders VALUES (4, 'dan', 7, '2024-01-04T00:00:00Z');
UPDATE shop.orders SET customer = 'robert', updated_at = '2024-01-05T00:00:00Z' WHERE id = 2;
"""
"""Changes that the tests of taps make in `shop.orders` between two runs."""
DELETION = "DELETE FROM shop.orders WHERE id = 1"
SLOTS = {"melt": "tappostgres_routes", "pipe": "pipelinewise_routes_log"}
"""The slots from which the taps read the log. They must exist before the first run of a tap."""
MAKE_SLOT = "SELECT pg_create_logical_replication_slot('{}', 'wal2json')"


@dataclass(frozen=True)
class Junction(Shop):
    """A project `routes/`. Numbers keep their own digits, because tests compare them as text."""

    @classmethod
    def made(cls, folder: Path, environ: Any) -> Self:
        shutil.copytree(HERE / "routes", folder)
        shutil.copy(HERE / "parcels" / "parcels.yaml", folder)
        return cls(folder, environ)

    def rows(self, stream: str) -> list[Row]:
        """Return the rows of a stream in the destination `rows`: the data of each row and its generation."""
        with closing(sqlite3.connect(self.folder / "rows" / "rows.sqlite")) as database:
            found = database.execute(f'SELECT data, generation_id FROM "{stream}" ORDER BY emitted_at, rowid')
            return [{**json.loads(data), "generation_id": generation} for data, generation in found]

    def strict(self, stream: str) -> list[Row]:
        """Return the lines that the destination `strict` wrote for a stream, unchanged."""
        file = self.folder / "strict" / f"{stream}.jsonl"
        return [json.loads(line, parse_float=str) for line in file.read_text().splitlines()]

    def merged(self, stream: str) -> list[Row]:
        """Return the rows of a stream in `strict`, merged by their key."""
        file = self.folder / "strict" / f"{stream}.deduped.json"
        return json.loads(file.read_text(), parse_float=str)

    def landed(self, target: str, stream: str) -> list[Row]:
        """Return the rows of either destination, without the columns that the destination adds."""
        if target == "rows":
            return [_bare(row) for row in self.rows(stream)]
        merged = (self.folder / "strict" / f"{stream}.deduped.json").exists()
        return [
            _bare(row) for row in (self.merged(stream) if merged else [line["data"] for line in self.strict(stream)])
        ]

    def told(self) -> list[Row]:
        """Return a line of `strict` for each of its runs: the catalog, the received messages, and how the run ended."""
        return [json.loads(line) for line in (self.folder / "strict" / "runs.jsonl").read_text().splitlines()]

    def state(self, pipeline: str) -> Any:
        """Return the saved state."""
        return json.loads(self.well("state", "get", pipeline).stdout)

    def bodies(self, stream: str) -> list[Any]:
        """Return the records in target-jsonl, with their numbers as they were written."""
        return [lexemes(line) for line in self.lines(stream)]

    def alone(self, image: str, *words: str, network: str = "none", **files: Any) -> str:
        """Return the output of a connector without tapdock.

        `files` are placed in /in, which is its working directory.
        """
        folder = self.folder / "alone"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        mount = ["--volume", f"{folder}:/in:ro", "--workdir", "/in", "--network", network]
        user = f"{os.getuid()}:{os.getgid()}"
        command = ["docker", "run", "--rm", "--user", user, *mount, image, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def lexemes(text: str) -> Any:
    """Return parsed JSON whose numbers are their original text."""
    return json.loads(text, parse_float=str, parse_int=str)


def _bare(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in ("generation_id", "_sdc_sequence")}


def orders(tap: str) -> str:
    """Return the tap's name of the table `orders`. One of the taps adds the schema as a prefix."""
    return "shop-orders" if tap.startswith("melt") else "orders"


def lines(tap: str) -> str:
    return "shop-lines" if tap.startswith("melt") else "lines"
