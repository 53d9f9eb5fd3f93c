"""State in a table of a database that SQLAlchemy supports."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from tapdock.errors import Conflict, StateError, UsageError
from tapdock.state.backends.base import Stored, changed_meanwhile
from tapdock.state.backends.leases import Timing
from tapdock.state.backends.limits import LARGEST, listed, require_small
from tapdock.state.backends.remote import Remote

__all__ = ["TABLE", "SqlStore", "open_uri", "small_body"]

# A length that all three can index. Without the collation, SQL Server would treat `Prod` and `prod` as equal.
_NAME = sa.Unicode(400).with_variant(sa.Unicode(400, collation="Latin1_General_100_BIN2"), "mssql")
TABLE = sa.Table(
    "tapdock_state",
    sa.MetaData(),
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_DRIVERS = {"postgresql": "postgresql+psycopg", "mssql": "mssql+pyodbc"}
# In seconds, except `tcp_user_timeout`, in milliseconds, which ends a connection without any answer.
_TIMEOUTS: dict[str, dict[str, int]] = {
    "sqlite": {"timeout": 10},
    "postgresql": {"connect_timeout": 5, "tcp_user_timeout": 10_000},
    "mssql": {"timeout": 10},
}
_LASTING = ("authentication failed", "does not exist", "Login failed", "unable to open", "no such", "permission denied")


def open_uri(uri: str, folder: Path, *, lease_seconds: float) -> Remote:
    """Return the backend of `sqlite:///state.db` (relative to `folder`), `postgresql://user@host/database`, `mssql://…`.

    Raises UsageError for an invalid URI.
    """
    try:
        url = sa.make_url(uri)
    except exc.ArgumentError as error:
        hint = "write `postgresql://user@host/database`"
        raise UsageError("the URI of the state backend is not valid", hint=hint) from error
    if url.drivername in _DRIVERS:
        url = url.set(drivername=_DRIVERS[url.drivername])
    if url.get_backend_name() == "sqlite":
        path = folder / (url.database or "")
        if not url.database or path.is_dir():
            raise UsageError(f"`{uri}` does not name a file", hint="write `sqlite:///state.db`")
        url = url.set(database=str(path))
    engine = sa.create_engine(url, connect_args=_TIMEOUTS[url.get_backend_name()], pool_pre_ping=True)
    return Remote(SqlStore(engine), Timing(seconds=lease_seconds))


class SqlStore:
    """Rows of one table, which is created when it is first used."""

    never = "none"
    largest = LARGEST

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @property
    def uri(self) -> str:
        """The URI without its password, and without its query, which may contain a password as well."""
        return self._engine.url.set(query={}).render_as_string(hide_password=True)

    @cached_property
    def _table(self) -> sa.Table:
        try:
            TABLE.metadata.create_all(self._engine)
        except exc.DBAPIError:
            if not sa.inspect(self._engine).has_table(TABLE.name):  # another process may have created it
                raise
        return TABLE

    def read(self, name: str) -> Stored | None:
        with self._told(name, "read"):
            table = self._table
            with self._engine.connect() as connection:
                found = small_body(table, name, self.largest, self._engine.dialect.name)
                row = connection.execute(found).first()
            if row is None:
                return None
            require_small(row.size, f"`{name}` in {self.uri}", largest=self.largest)
            return Stored(bytes(row.body), row.version)

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        version = secrets.token_hex(16)
        with self._told(name, "save"):
            table = self._table
            with self._engine.begin() as connection:
                if expected is None:
                    try:
                        connection.execute(sa.insert(table).values(name=name, version=version, body=body))
                    except exc.IntegrityError as error:
                        raise changed_meanwhile(name, self.uri) from error
                else:
                    mine = sa.update(table).where(table.c.name == name, table.c.version == expected)
                    if connection.execute(mine.values(version=version, body=body)).rowcount != 1:
                        raise changed_meanwhile(name, self.uri)
        return version

    def overwrite(self, name: str, body: bytes) -> str:
        while True:
            stored = self.read(name)
            with suppress(Conflict):
                return self.write(name, body, expected=stored.version if stored else None)

    def list(self, prefix: str) -> list[str]:
        with self._told(prefix, "list"):
            table = self._table
            with self._engine.connect() as connection:
                found = sa.select(table.c.name).where(table.c.name.startswith(prefix, autoescape=True))
                return listed(connection.execute(found).scalars().partitions(1000), f"`{prefix}` in {self.uri}")

    def remove(self, name: str) -> None:
        with self._told(name, "remove"):
            table = self._table
            with self._engine.begin() as connection:
                connection.execute(sa.delete(table).where(table.c.name == name))

    @contextmanager
    def _told(self, name: str, action: str) -> Iterator[None]:
        try:
            yield
        except Conflict:
            raise
        except exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            passing = isinstance(error, exc.OperationalError | exc.InterfaceError) or getattr(
                error, "connection_invalidated", False
            )
            raise StateError(
                f"cannot {action} `{name}` in {self.uri}: {said}",
                hint="check that the database can be reached, and that its user may create the table `tapdock_state`",
                retryable=passing and not any(words in said for words in _LASTING),
            ) from error


def small_body(table: sa.Table, name: str, largest: int, dialect: str) -> sa.Select[Any]:
    """Return a statement that selects a row's version, its size and, up to `largest` bytes, its body, atomically."""
    length = sa.func.datalength if dialect == "mssql" else sa.func.length
    size = length(table.c.body)
    body = sa.case((size <= largest, table.c.body)).label("body")
    return sa.select(table.c.version, size.label("size"), body).where(table.c.name == name)
