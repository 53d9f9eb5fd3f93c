#!/usr/bin/env python3
"""An Airbyte destination made with Airbyte's Python CDK: a stream is a table of a SQLite file.

It does what the CDK's family of destinations does, for better or worse: any STATE writes all rows and comes back,
`overwrite` drops the table before the first record, and records of streams that nobody configured are skipped.
"""

import json
import sqlite3
import sys
from contextlib import closing

from airbyte_cdk.destinations import Destination
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    ConnectorSpecification,
    DestinationSyncMode,
    Status,
    Type,
)

SPEC = {
    "type": "object",
    "title": "Rows",
    "required": ["path"],
    "properties": {
        "path": {"type": "string", "description": "The SQLite file; its folder must be there"},
        "password": {"type": "string", "airbyte_secret": True},
    },
}
COLUMNS = "key TEXT UNIQUE, data TEXT NOT NULL, emitted_at INTEGER, generation_id INTEGER"
ROW = "INSERT INTO {} VALUES (:key, :data, :emitted_at, :generation_id)"
# Without a key nothing can be in the way: several rows may have none.
NEWER = " ON CONFLICT (key) DO UPDATE SET data = :data, emitted_at = :emitted_at, generation_id = :generation_id"


def table_of(namespace, name):
    whole = f"{namespace}_{name}" if namespace else name
    return '"' + whole.replace('"', '""') + '"'


class Table:
    """Rows of one stream that wait to be written."""

    def __init__(self, database, configured):
        self.database = database
        self.configured = configured
        self.name = table_of(configured.stream.namespace, configured.stream.name)
        self.rows = []
        if configured.destination_sync_mode == DestinationSyncMode.overwrite:
            database.execute(f"DROP TABLE IF EXISTS {self.name}")
        database.execute(f"CREATE TABLE IF NOT EXISTS {self.name} ({COLUMNS})")

    def add(self, record):
        data = {"data": json.dumps(record.data), "emitted_at": record.emitted_at}
        self.rows.append({**data, "key": self.key(record.data), "generation_id": self.configured.generation_id})

    def key(self, data):
        if self.configured.destination_sync_mode != DestinationSyncMode.append_dedup:
            return None
        return json.dumps([data.get(path[0]) for path in self.configured.primary_key])

    def flush(self):
        self.database.executemany(ROW.format(self.name) + NEWER, self.rows)
        self.rows = []


class Rows(Destination):
    def spec(self, logger):
        return ConnectorSpecification(
            connectionSpecification=SPEC,
            supportsIncremental=True,
            supported_destination_sync_modes=list(DestinationSyncMode)[:3],
        )

    def check(self, logger, config):
        try:
            with closing(sqlite3.connect(config["path"])) as database:
                database.execute("CREATE TABLE IF NOT EXISTS _checked (at TEXT)")
        except sqlite3.Error as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=f"{config['path']}: {error}")
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def write(self, config, configured_catalog, input_messages):
        with closing(sqlite3.connect(config["path"])) as database:
            tables = {
                (each.stream.namespace, each.stream.name): Table(database, each) for each in configured_catalog.streams
            }
            for message in input_messages:
                if message.type == Type.STATE:
                    self.flush(database, tables)
                    yield message
                elif message.type == Type.RECORD and (message.record.namespace, message.record.stream) in tables:
                    tables[message.record.namespace, message.record.stream].add(message.record)
            self.flush(database, tables)

    def flush(self, database, tables):
        for table in tables.values():
            table.flush()
        database.commit()


if __name__ == "__main__":
    Rows().run(sys.argv[1:])
