"""Tests the commands with a tap: fields that it cannot read, and a catalog without streams."""

import json
import sys

import pytest

PROGRAM = """#!%s
import json, sys
if "--discover" in sys.argv:
    print(open("%s").read())
elif "--about" in sys.argv:
    print(json.dumps({"settings": {"properties": {}}, "capabilities": ["about"]}))
else:
    sys.exit(0)
"""
STREAM = {
    "tap_stream_id": "shop-orders",
    "stream": "orders",
    "key_properties": ["id"],
    "schema": {
        "properties": {
            "id": {"type": "integer"},
            "born": {"inclusion": "unsupported", "description": "Unsupported column type year"},
            "photo": {"type": ["null", "string"]},
            "note": {"inclusion": "unsupported"},
        }
    },
    "metadata": [{"breadcrumb": ["properties", "photo"], "metadata": {"inclusion": "unsupported"}}],
}


@pytest.fixture
def command(tapdock, folder):
    """command(catalog, *words) -> the result of a command for a tap with this catalog, and a target."""
    program = folder / "tap"
    program.write_text(PROGRAM % (sys.executable, folder / "catalog.json"))
    program.chmod(0o755)

    def ended(streams, *words, **options):
        (folder / "catalog.json").write_text(json.dumps({"streams": streams}))
        connector = {"image": str(program), "kind": "singer"}
        project = {"version": 1, "sources": {"s": {**connector, **options}}, "targets": {"t": connector}}
        (folder / "tapdock.yaml").write_text(json.dumps(project))
        return tapdock(*words, TAPDOCK_ENGINE="local")

    return ended


def test_discovery_marks_the_fields_that_the_tap_cannot_read(command):
    ended = command([STREAM], "discover", "s")
    assert ended.stdout.splitlines()[1].endswith("  4, not readable: born, photo, note")


@pytest.mark.parametrize("select", [{}, {"select": ["*", "!shop-orders.note"]}, {"select": ["orders.id"]}])
def test_a_run_warns_once_for_each_stream(command, select):
    ended = command([STREAM], "run", "s", "t", "--dry-run", **select)
    assert ended.returncode == 0
    fields = {(): "`born`, `photo`, `note`", ("*", "!shop-orders.note"): "`born`, `photo`", ("orders.id",): None}
    named = fields[tuple(select.get("select", ()))]
    warning = f"warning: the tap cannot read these fields of stream `orders`: {named}\n"
    assert ended.stderr.count("cannot read these fields") == (1 if named else 0)
    assert named is None or warning in ended.stderr


def test_a_catalog_without_streams_is_an_error_and_is_read_again(command):
    """A user who may read nothing gets an empty catalog. The run must not succeed without a row."""
    for words in (("run", "s", "t"), ("run", "s", "t", "--dry-run")):
        ended = command([], *words)
        assert ended.returncode == 2
        assert "the source offers no streams" in ended.stderr
        assert "its user may lack the permission" in ended.stderr
    assert "the source offers no streams" in command([], "discover", "s").stderr
    assert command([STREAM], "run", "s", "t", "--dry-run").returncode == 0
