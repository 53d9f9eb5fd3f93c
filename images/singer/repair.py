#!/usr/bin/env python3
"""Repairs installed packages that lose rows. It fails if a package does not contain the code that a repair replaces.

    python repair.py

Runs while an image is built, with the interpreter of the environment that the image gets.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from py_compile import compile as compile_file

# DuckDB detects the dialect of a CSV file. It takes the first row of a table of text for a header, so that this row is
# lost. It also detects quotes that the target does not write.
_COPY = (
    """cur.execute("COPY {} FROM '{}' WITH (new_line '\\\\r\\\\n')".format(temp_table, temp_file_csv))""",
    """marks = [mark.replace("'", "''") for mark in (self.delimiter, self.quotechar, self.quotechar)]
        dialect = "new_line '\\\\r\\\\n', delimiter '{}', quote '{}', escape '{}'".format(*marks)
        cur.execute(
            "COPY {} FROM '{}' WITH (auto_detect false, header false, {})".format(temp_table, temp_file_csv, dialect)
        )""",
)
# The keys ("a,b", "c") and ("a", "b,c") are the same text, so that one of two rows is lost.
_KEY = ('return ",".join(key_props)', "return json.dumps(key_props)")
# A table of which every column is part of the key has nothing to update, which DuckDB refuses with an internal error.
_ONLY_KEYS = (
    "cur.execute(self.update_from_temp_table(temp_table))",
    'cur.execute(self.update_from_temp_table(temp_table) or "SELECT 1")',
)

REPAIRS = {"target-duckdb": ("target_duckdb/db_sync.py", (_COPY, _KEY, _ONLY_KEYS), "0.8.0")}
"""By package: a file, pairs of old and new code in it, and the release that the repair was written for.

The label `io.tapdock.repaired` in the Dockerfile has the same names.
"""


def repaired(package: str, version: str, text: str) -> str:
    """Return the repaired text of a package's file. Exits with a message if the code to be replaced is not found."""
    _, changes, known = REPAIRS[package]
    for old, new in changes:
        if text.count(old) != 1:
            print(f"error: {package} {version} cannot be repaired: it does not contain `{old}`", file=sys.stderr)
            print(f"hint: use {package}=={known}, which tapdock repairs so that it keeps every row", file=sys.stderr)
            sys.exit(1)
        text = text.replace(old, new)
    return text


def main() -> None:
    for package, (file, _, _) in REPAIRS.items():
        try:
            found = distribution(package)
        except PackageNotFoundError:
            continue
        path = Path(str(found.locate_file(file)))
        text = path.read_text("utf-8") if path.is_file() else ""
        path.write_text(repaired(package, found.version, text), "utf-8")
        compile_file(str(path), doraise=True)  # the final image is read-only to its user


if __name__ == "__main__":
    main()
