"""Tests personal data in stream maps with real connectors: tokens in both databases, and plain text nowhere."""

import json

import pytest

from e2e.conftest import Postgres
from e2e.project import Shop

pytestmark = pytest.mark.docker
KEY = "a key of the test with 32 bytes."
PIPELINES = """
  people-in-the-lake:
    source: faker
    target: lake
    state_suffix: people
    maps: &maps
      "*.email": hash
      users: {__alias__: people, telephone: "mask(telephone)", address: null}
      adults: {__source__: users, __filter__: age >= 40, __else__: null, email: hash(email), age: age}
    hash_key: ${HASH_KEY}
  people-in-the-base: {source: faker, target: base, state_suffix: people, hash_key: "${HASH_KEY}", maps: *maps}
"""


@pytest.fixture
def people(shop: Shop) -> Shop:
    file = shop.folder / "tapdock.yaml"
    file.write_text(file.read_text().replace("\npipelines:\n", f"\npipelines:{PIPELINES}"))
    return shop


@pytest.mark.slow
def test_hashed_addresses_are_the_same_tokens_in_both_databases(people: Shop, postgres: Postgres):
    preview = people.well("preview", "faker", "users", "--limit", "200", "--json", HASH_KEY=KEY).json
    users = preview["streams"][0]["records"]
    plain = {user["email"] for user in users} | {user["telephone"] for user in users}
    adults = sum(user["age"] >= 40 for user in users)
    assert len(users) == 200
    plan = people.well("run", "people-in-the-lake", "--dry-run", HASH_KEY=KEY)
    assert "hashed by the rule `*.email`" in plan.stdout

    for name in ("people-in-the-lake", "people-in-the-base"):
        ended = people.well("run", name, "--json", HASH_KEY=KEY)
        reports = {each["stream"]: each for each in ended.json["streams"]}
        assert reports["users"]["records"] == 200
        assert reports["users"]["written"] == {"people": 200, "adults": adults}
        assert not any(text in ended.stderr for text in plain)

    def joined(schema: str) -> str:
        return f"SELECT count(*) FROM {schema}.people p JOIN {schema}.adults a ON p.email = a.email"

    def tokens(schema: str) -> str:
        return f"SELECT email FROM {schema}.people ORDER BY email"

    assert people.query(joined("main")) == [(adults,)]
    assert postgres.query(joined("public")) == [[str(adults)]]
    lake = [token for (token,) in people.query(tokens("main"))]
    assert lake == [token for (token,) in postgres.query(tokens("public"))]
    assert all(len(token) == 64 for token in lake)

    for file in people.folder.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        found = [text for text in plain if text.encode() in content or json.dumps(text).encode() in content]
        assert not found, file
