"""Tests the manifest of a low-code source: the image that runs it, its content, and mistakes with their place."""

import json

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load

HEAD = "version: 6.1.0\ntype: DeclarativeSource\n"
BUILT = "tapdock/source-declarative-manifest:7.39.1"


@pytest.fixture
def source(tmp_path):
    """Return the source `low` of a project with these keys, next to a manifest with this text."""

    def loaded(keys="manifest: ./low.yaml", manifest=HEAD, group="sources"):
        file = tmp_path / "tapdock.yaml"
        file.write_text(f"version: 1\n{group}:\n  low:\n    {keys}\n")
        if manifest is not None:
            (tmp_path / "low.yaml").write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
        return getattr(load(file, environment=None, environ={}), group)["low"]

    return loaded


def test_a_manifest_alone_is_run_by_an_image_that_is_built(source, tmp_path):
    low = source()
    assert (low.image, low.kind, low.manifest.file) == (BUILT, "airbyte", tmp_path / "low.yaml")
    assert (low.build.family, low.build.program) == ("airbyte-python", "source-declarative-manifest")


@pytest.mark.parametrize(
    ("keys", "image", "package"),
    [
        ("image: airbyte/source-declarative-manifest:6.5.2", "airbyte/source-declarative-manifest:6.5.2", None),
        (
            "build: {airbyte: airbyte-source-declarative-manifest==6.5.2}",
            "tapdock/source-declarative-manifest:6.5.2",
            "airbyte-source-declarative-manifest==6.5.2",
        ),
    ],
)
def test_another_image_may_run_it(source, keys, image, package):
    low = source(f"manifest: low.yaml\n    {keys}")
    assert (low.image, low.build and low.build.package, low.kind) == (image, package, "airbyte")


def test_it_is_passed_on_as_the_connector_would_read_it(source):
    content = source(manifest=f"{HEAD}a: yes\nb: 2024-01-01\nc: 10:30\n200: [1.50, ~]\n").manifest.content
    assert json.loads(content) == {
        "version": "6.1.0",
        "type": "DeclarativeSource",
        "a": True,
        "b": "2024-01-01",
        "c": 630,
        "200": [1.5, None],
    }


SPEC = """\
definitions:
  text: {type: string, title: Text}
  properties/all:
    token: {$ref: "#/definitions/text", title: Token}
    name: "#/definitions/names/1"
  names: [{type: "null"}, {$ref: "#/definitions/text"}]
spec:
  type: Spec
  connection_specification:
    type: object
    properties: {$ref: "#/definitions/properties/all"}
"""


def test_references_in_its_spec_are_followed(source):
    assert source(manifest=HEAD + SPEC).manifest.spec == {
        "type": "object",
        "properties": {"token": {"type": "string", "title": "Token"}, "name": {"type": "string", "title": "Text"}},
    }


def test_a_manifest_may_have_no_spec(source):
    assert source().manifest.spec is None


MISTAKES = [
    (None, "cannot be read: No such file", "relative to the project file"),
    ("", "not a YAML mapping", None),
    ("- a", "not a YAML mapping", None),
    ("a: [", "malformed YAML: line ", None),
    ("a: 2024-13-45x\nb: !!int x", "malformed YAML", None),
    (b"a: \xff", "not UTF-8 text (byte 3)", None),
    ("type: DeclarativeSource", "no `version`", "CDK"),
    ("version: 6.1.0", "no `type: DeclarativeSource`", "low-code"),
    (f"{HEAD}a: !!binary aGk=", "a value that cannot be written as JSON", None),
    (f"{HEAD}a: .nan", "a value that cannot be written as JSON", None),
    (f"{HEAD}a: &a [*a]", "a value that cannot be written as JSON", None),
    (f'{HEAD}spec: {{$ref: "#/nowhere"}}', "whose `spec` has a reference that cannot be resolved", None),
    (f'{HEAD}spec: "#/spec"', "whose `spec` has a reference that cannot be resolved", None),
]


@pytest.mark.parametrize(("manifest", "problem", "hint"), MISTAKES, ids=[repr(text) for text, _, _ in MISTAKES])
def test_a_mistake_in_it_is_reported_where_it_is_named(source, tmp_path, manifest, problem, hint):
    with pytest.raises(UsageError) as told:
        source(manifest=manifest)
    assert told.value.message.startswith(f"tapdock.yaml:4: `sources.low.manifest` names {tmp_path / 'low.yaml'}, wh")
    assert problem in told.value.message
    assert hint is None or hint in (told.value.hint or "")


@pytest.mark.parametrize(
    ("group", "keys", "message", "hint"),
    [
        ("targets", "manifest: low.yaml", "`targets.low.manifest` is not a key here", "only a source"),
        ("sources", "build: {manifest: low.yaml}", "`sources.low.build.manifest` is not a key", "beside `build`"),
        (
            "sources",
            "{manifest: low.yaml, kind: singer}",
            "`sources.low.kind` is not `airbyte`",
            "remove `kind` or `manifest`",
        ),
        ("sources", "manifest: [low.yaml]", "`sources.low.manifest` is a list, not text", None),
    ],
)
def test_a_mistake_beside_it(source, group, keys, message, hint):
    with pytest.raises(UsageError) as told:
        source(keys, group=group)
    assert told.value.message.startswith(f"tapdock.yaml:4: {message}")
    assert hint is None or hint in (told.value.hint or "")


BOMB = HEAD + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 10)}]\n" for n in range(9))
REFERENCES = HEAD + "spec: {$ref: '#/r8'}\nr0: {a: x}\n"
REFERENCES += "".join(f"r{n}: [{', '.join([chr(34) + f'#/r{n - 1}' + chr(34)] * 10)}]\n" for n in range(1, 9))
DEEP = HEAD + "x: " + "[" * 900 + "]" * 900


@pytest.mark.long
@pytest.mark.parametrize(
    "manifest", [BOMB, REFERENCES, DEEP, HEAD + "#" * 10 * 1024**2], ids=["bomb", "refs", "deep", "large"]
)
def test_a_manifest_that_fills_the_memory_is_refused(source, manifest):
    with pytest.raises(
        UsageError, match=r"expand to too many values|larger than 10 MiB|nested too deeply|cannot be written"
    ):
        source(manifest=manifest)
