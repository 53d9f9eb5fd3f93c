#!/usr/bin/env python3
"""Repairs installed packages that lose rows or change values.

It fails if a package does not contain the code that a repair replaces.

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
        dialect = "auto_detect false, header false, allow_quoted_nulls false, " + dialect
        cur.execute("COPY {} FROM '{}' WITH ({})".format(temp_table, temp_file_csv, dialect))""",
)
# The keys ("a,b", "c") and ("a", "b,c") are the same text, so that one of two rows is lost.
_KEY = ('return ",".join(key_props)', "return json.dumps(key_props)")
# A table of which every column is part of the key has nothing to update, which DuckDB refuses with an internal error.
_ONLY_KEYS = (
    "cur.execute(self.update_from_temp_table(temp_table))",
    'cur.execute(self.update_from_temp_table(temp_table) or "SELECT 1")',
)

# Empty text becomes null. A quoted empty field is empty text and an unquoted one is null, so every value is quoted.
_EMPTY = (
    """if name in flatten and (flatten[name] == 0 or flatten[name])
            else None""",
    """if name in flatten
            and (
                flatten[name] == 0
                or flatten[name]
                or (flatten[name] == "" and column_type(self.flatten_schema[name]) == "varchar")
            )
            else None""",
)
_QUOTED = (
    "csvwriter.writerow(self.record_to_flattened(record))",
    """fields = [
                    "" if value is None
                    else self.quotechar + str(value).replace(self.quotechar, self.quotechar * 2) + self.quotechar
                    for value in self.record_to_flattened(record)
                ]
                f.write(self.delimiter.join(fields) + "\\r\\n")""",
)
_DUCKDB = (_COPY, _KEY, _ONLY_KEYS, _EMPTY, _QUOTED)

# Fields are JSON texts, but COPY only reads the escapes of quotes and backslashes: a line feed becomes a backslash and
# the letter n. Empty text becomes null.
_FIELDS = (
    """json.dumps(flatten[name], ensure_ascii=False)
                if name in flatten and (flatten[name] == 0 or flatten[name]) else ''""",
    """('"' + flatten[name].replace('\\\\', '\\\\\\\\').replace('"', '\\\\"') + '"'
                 if isinstance(flatten[name], str) else json.dumps(flatten[name]))
                if name in flatten and (
                    flatten[name] == 0
                    or flatten[name]
                    or (flatten[name] == '' and column_type(self.flatten_schema[name]) == 'character varying')
                ) else ''""",
)
_POSTGRES_KEY = ("return ','.join(key_props)", "return json.dumps(key_props)")
# A column without a time zone ignores the offset of a time. A column with one reads it, and is then converted in UTC.
_OFFSETS = (
    "cur.execute(self.create_table_query(table_name=temp_table, is_temporary=True))",
    """cur.execute("SET LOCAL TIME ZONE 'UTC'")
                query = self.create_table_query(table_name=temp_table, is_temporary=True)
                cur.execute(query.replace('" timestamp without time zone', '" timestamp with time zone'))""",
)

# Objects and arrays are written as Python prints them: {'price': Decimal('1.50'), 'sold': None}.
_IMPORT = ("import csv\n", "import csv\nimport simplejson\n")
_NESTED = (
    "writer.writerows(records)",
    """writer.writerows(
            {
                name: simplejson.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
                for name, value in record.items()
            }
            for record in records
        )""",
)

REPAIRS = {
    "target-duckdb": ("target_duckdb/db_sync.py", _DUCKDB, "0.8.0"),
    "pipelinewise-target-postgres": ("target_postgres/db_sync.py", (_FIELDS, _POSTGRES_KEY, _OFFSETS), "2.1.2"),
    "meltanolabs-target-csv": ("meltanolabs_target_csv/serialization.py", (_IMPORT, _NESTED), "0.5.0"),
}
"""By package: a file, pairs of old and new code in it, and the release that the repair was written for.

The label `io.tapdock.repaired` in the Dockerfile has the same names.
"""


def repaired(package: str, version: str, text: str) -> str:
    """Return the repaired text of a package's file. Exits with a message if the code to be replaced is not found."""
    _, changes, known = REPAIRS[package]
    for old, new in changes:
        if text.count(old) != 1:
            print(f"error: {package} {version} cannot be repaired: it does not contain `{old}`", file=sys.stderr)
            print(f"hint: use {package}=={known}, which tapdock repairs so that it keeps all values", file=sys.stderr)
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
