"""The example of runner/guides/maps.md is loaded, and has the result that the page shows."""

import hmac
import json
import re
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tapdock.project.load import load
from tapdock.translate.maps.plan import maps_of
from tapdock.translate.maps.settings import checked
from unit.translate.maps.sides import configured

PAGE = (Path(__file__).parents[4] / "runner" / "guides" / "maps.md").read_text()
TEXT = {"type": "string"}
FIELDS = {"id": {"type": "integer"}, "name": TEXT, "email": TEXT, "country": TEXT, "balance": {"type": "number"}}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.S | re.M)


def test_the_example_has_the_result_that_the_page_shows(tmp_path: Path) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    (tmp_path / "public.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "tapdock.yaml").write_text(_blocks("yaml")[0])
    (variable,) = re.findall(r"With `HASH_KEY=(\w+)`", PAGE)
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={"HASH_KEY": variable})
    streams = [
        configured("users", {"properties": FIELDS}, keys=["id"]),
        configured("orders", {"properties": {"id": {"type": "integer"}, "payer": {"properties": {"iban": TEXT}}}}),
        configured("audit", {"properties": {"id": {"type": "integer"}}}),
    ]
    maps = maps_of(streams, checked(project.sources["shop"]))
    users, orders, audit = (maps[one.stream.key] for one in streams)
    before, after = _blocks("json")
    token = hmac.new(variable.encode(), b"ann@Example.org", "sha256").hexdigest()
    found = users[0].apply(before.encode()) or b""
    assert json.loads(found, parse_float=Decimal) == json.loads(after.replace("TOKEN", token), parse_float=Decimal)
    assert list(json.loads(found)) == list(json.loads(after))
    assert users[0].apply(before.replace("DE", "XX").encode()) is None
    assert orders[0].alias == "shop_orders"
    assert b'"tapdock:enc1:' in (orders[0].apply(b'{"id":1,"payer":{"iban":"DE1"}}') or b"")
    assert audit == ()


def test_the_page_names_each_option_and_each_difference_has_two_sides() -> None:
    for option in ("__source__", "__alias__", "__filter__", "__key_properties__", "__else__", "__NULL__"):
        assert f"`{option}" in PAGE or f'`"{option}' in PAGE
    table = PAGE[PAGE.index("## Differences") :]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert all(len(row) == 2 for row in rows)
