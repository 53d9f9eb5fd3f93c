"""What Meltano leaves in a project's folder."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

__all__ = ["database"]


def database(file: Path, states: Iterable[tuple[str, str, str]]) -> None:
    """Write the table of states of Meltano's system database: names, partial and completed states."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("CREATE TABLE state (state_id VARCHAR, partial_state VARCHAR, completed_state VARCHAR)")
        opened.executemany("INSERT INTO state VALUES (?, ?, ?)", states)
        opened.commit()
