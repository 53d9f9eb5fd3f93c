"""Tests the statements for servers that are not available here, and the URIs of databases."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateTable

from tapdock.errors import StateError, UsageError
from tapdock.state.backends.base import open_backend
from tapdock.state.backends.sql import TABLE, small_body


def sql(statement) -> str:
    return " ".join(str(statement.compile(dialect=mssql.dialect(deprecate_large_types=True))).split())


def test_the_table_for_sql_server():
    """Not executed, because there is no SQL Server here.

    For version 2012 and later; the key fits its index limit of 900 bytes.
    """
    said = sql(CreateTable(TABLE))
    assert "name NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL" in said, "`Prod` is not `prod`"
    assert "body VARBINARY(max) NOT NULL" in said
    assert "PRIMARY KEY (name)" in said


def test_compare_and_swap_for_sql_server():
    mine = sa.update(TABLE).where(TABLE.c.name == "a", TABLE.c.version == "1").values(version="2", body=b"")
    assert sql(mine) == (
        "UPDATE tapdock_state SET version=:version, body=:body"
        " WHERE tapdock_state.name = :name_1 AND tapdock_state.version = :version_1"
    )
    found = sql(sa.select(TABLE.c.name).where(TABLE.c.name.startswith("50%", autoescape=True)))
    assert "LIKE :name_1 + '%' ESCAPE '/'" in found


def test_a_large_body_stays_in_sql_server():
    said = sql(small_body(TABLE, "a", 5, "mssql"))
    assert "datalength(tapdock_state.body) AS size" in said
    assert "CASE WHEN (datalength(tapdock_state.body) <= :datalength_1) THEN tapdock_state.body END AS body" in said


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///"])
def test_a_database_that_is_none(uri, tmp_path):
    with pytest.raises(UsageError, match="does not name a file"):
        open_backend(uri, tmp_path)


def test_a_database_that_cannot_be_opened(tmp_path):
    with pytest.raises(StateError, match="unable to open database file") as told:
        open_backend("sqlite:///missing/state.db", tmp_path).get("a")
    assert not told.value.retryable


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "state.db").write_text("no database at all, and long enough to be looked into" * 20)
    with pytest.raises(StateError, match="file is not a database"):
        open_backend("sqlite:///state.db", tmp_path).get("a")
