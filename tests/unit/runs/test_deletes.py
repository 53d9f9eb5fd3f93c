"""Tests that targets keep the marks of deleted rows, which Meltano's SDK drops by default."""

from typing import Any

import pytest

from tapdock.connectors.about import About
from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.resolved import Resolved
from tapdock.launch import ImageFacts
from tapdock.project.model import Connector, Kind
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.deletes import with_deletes
from tapdock.translate.base import Quirks

SDK = About(config={"properties": {"add_record_metadata": {"type": ["boolean", "null"]}}})
ON = About(config={"properties": {"add_record_metadata": {"default": True}}})
OLD = About(config={"properties": {"batch_size": {}}})
SET = "t gets `add_record_metadata: true`, because it would drop the marks of deleted rows of stream `s`"
WARNED = "warning: t may drop the marks of deleted rows (`_sdc_deleted_at`) of stream `s`; "


def stream(*fields: str, **given: Any) -> ConfiguredStream:
    schema = {"properties": {name: {"type": "string"} for name in ("id", *fields)}}
    return ConfiguredStream(stream=Stream(name="s", json_schema=schema), sync_mode="incremental", **given)


@pytest.mark.parametrize(
    ("kind", "one", "about", "config", "value", "said"),
    [
        ("singer", stream("_ab_cdc_deleted_at"), SDK, {}, True, SET),
        ("singer", stream("_sdc_deleted_at"), SDK, {}, True, SET),
        ("singer", stream(log_based=True), SDK, {}, True, SET),
        ("singer", stream(), SDK, {}, None, None),
        ("singer", stream("_ab_cdc_deleted_at", excluded=("_ab_cdc_deleted_at",)), SDK, {}, None, None),
        ("singer", stream("_sdc_deleted_at"), SDK, {"add_record_metadata": True}, True, None),
        ("singer", stream("_sdc_deleted_at"), ON, {}, None, None),
        (
            "singer",
            stream("_sdc_deleted_at"),
            ON,
            {"add_record_metadata": False},
            False,
            f"{WARNED}set `targets.t.config.add_record_metadata: true`",
        ),
        ("singer", stream("_sdc_deleted_at"), OLD, {}, None, f"{WARNED}it has no `add_record_metadata`"),
        ("singer", stream("_sdc_deleted_at"), About(), {}, None, None),
        ("airbyte", stream("_sdc_deleted_at"), SDK, {}, None, None),
        ("singer", ConfiguredStream(stream=Stream(name="s"), sync_mode="full_refresh"), SDK, {}, None, None),
    ],
)
def test_marks_of_deleted_rows_are_kept_or_their_loss_is_reported(
    kind: Kind, one: ConfiguredStream, about: About, config: dict[str, Any], *, value: bool | None, said: str | None
) -> None:
    connector = Connector(name="t", role="target", image="x")
    facts = ImageFacts(image="x", digest="sha256:0")
    target = PreparedConnector(connector=connector, facts=facts, kind=kind, quirks=Quirks())
    seen: list[str] = []
    resolved = with_deletes(target, Resolved(user=config, given=config), about, (one,), say=seen.append)
    assert resolved.given.get("add_record_metadata") is value
    assert resolved.user == config
    assert seen == ([said] if said else [])
