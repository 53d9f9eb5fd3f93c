"""Tests which fields keep a source from being read into files, because maps protect or remove them."""

import pytest

from tapdock.errors import UsageError
from tapdock.project.model import Connector, Pipeline
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.plain_text import require_nothing_protected

FIELDS = {"id": {"type": "integer"}, "email": {"type": "string"}, "contact": {"properties": {"email": {}}}}


def stream(fields=FIELDS, **more):
    offered = Stream(name="users", json_schema={"properties": fields})
    return ConfiguredStream(stream=offered, sync_mode="full_refresh", primary_key=(("id",),), **more)


def refused(maps, *streams, of_source=False):
    """Return the message of the refusal; None if there is none."""
    keys = {"maps": maps, "hash_key": "k" * 32}
    source = Connector(name="shop", role="source", image="i", **(keys if of_source else {}))
    names = {"plain": {}, "masked": {} if of_source else keys}
    pipelines = [Pipeline(name=name, source="shop", target="lake", **keys) for name, keys in names.items()]
    pipelines.append(Pipeline(name="other", source="other", target="lake", maps={"*.id": "drop"}))
    try:
        require_nothing_protected(pipelines, source, streams)
    except UsageError as error:
        return f"{error}; {error.hint}"
    return None


@pytest.mark.parametrize(
    ("maps", "named"),
    [
        ({"*.email": "hash"}, "`*.email`"),
        ({"users.email": "drop"}, "`users.email`"),
        ({"*.phone": "mask"}, "`*.phone`"),  # not declared, but the source may send it
        ({"users": {"email": None}}, "`users.email`"),
        ({"users": {"email": "md5(email)"}}, "`users.email`"),
        ({"users": {"email": "mask(self)"}}, "`users.email`"),
        ({"users": {"digest": "sha256(email + 'x')"}}, "`users.email`"),
        ({"u*": {"digest": "hash(record['email'])"}}, "`u*."),
        ({"users": {"email": "'hidden'"}}, "`users.email`"),
        ({"users": {"id": "id", "__else__": None}}, "`users.email`, `users.contact`"),
        ({"people": {"__source__": "users", "email": None}}, "`users.email`"),
    ],
)
@pytest.mark.parametrize("streams", [(stream(),), (stream({}),), ()])
def test_what_maps_protect_is_not_written_as_it_is(maps, named, streams):
    said = refused(maps, *streams)
    assert said is not None
    assert "the maps of pipeline `masked` protect or remove `" in said
    assert "the files would have these fields in plain text" in said
    assert "move the maps to the source" in said
    if streams == (stream(),):
        assert named in said
    assert refused(maps, *streams, of_source=True) is None, "they are applied to the files"


@pytest.mark.parametrize(
    "maps",
    [
        {"users": {"email": "email.lower()", "name": "email"}},
        {"users": {"__filter__": "id > 1", "__alias__": "'people'"}},
        {"users": None},
        {"orders": {"email": None}},
        {"orders.email": "hash"},
    ],
)
def test_other_maps_do_not_matter(maps):
    assert refused(maps, stream()) is None


@pytest.mark.parametrize("maps", [{"*.email": "hash"}, {"users": {"email": None}}, {"users": {"x": "md5(email)"}}])
def test_what_is_excluded_is_not_in_the_files(maps):
    whole = stream({"id": {}, "email": {}}, excluded=("email",), hidden=("email",))
    assert refused(maps, whole) is None


def test_a_rule_also_protects_what_is_inside_of_other_fields():
    assert "`*.email`" in refused({"*.email": "hash"}, stream(excluded=("email",), hidden=("email",)))
    inside = stream(excluded=("email",), hidden=("email",), nested=(("contact", "email"),))
    assert refused({"*.email": "hash"}, inside) is None
    assert refused({"*.email": "hash"}, stream(excluded=("email", "contact"), hidden=("email", "contact"))) is None
    assert refused({"*.*mail": "hash"}, stream(excluded=("email", "contact"))) is not None
