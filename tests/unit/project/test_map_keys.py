"""Tests of the keys that map streams: where they are read, what is secret in them, and how they are shown."""

import jsonschema
import msgspec
import pytest

from tapdock.cli.config_rows import rows, variables_of
from tapdock.connectors.masking import project_secrets
from tapdock.errors import UsageError
from tapdock.project.blocks import parse_blocks
from tapdock.project.load import load
from tapdock.project.schema import json_schema
from tapdock.translate.maps.settings import MapSettings, checked, settings_of

PROJECT = """\
version: 1
sources:
  shop:
    image: x
    SOURCE
targets: {lake: {image: y}}
pipelines:
  nightly:
    source: shop
    target: lake
    PIPELINE
"""
KEY = "0123456789abcdef"


@pytest.fixture
def project(tmp_path):
    def loaded(*, source="", pipeline="", environ=(), more="", environment=None):
        text = PROJECT.replace("SOURCE", source).replace("PIPELINE", pipeline) + more
        (tmp_path / "tapdock.yaml").write_text(text)
        return load(tmp_path / "tapdock.yaml", environment=environment, environ=dict(environ))

    return loaded


@pytest.mark.parametrize("name", ["maps", "stream_maps"])
@pytest.mark.parametrize("place", ["source", "pipeline"])
def test_maps_are_read_under_both_names_in_both_places(project, place, name):
    read = project(**{place: name + ": {users: {email: null, n: 'str(id)'}, 'a.*': null}"})
    owner = read.sources["shop"] if place == "source" else read.pipelines["nightly"]
    assert owner.maps == {"users": {"email": None, "n": "str(id)"}, "a.*": None}
    assert owner.has_maps
    assert not read.warnings
    path = f"{place}s.{'shop' if place == 'source' else 'nightly'}.maps"
    assert read.origins[f"{path}.users"].startswith("tapdock.yaml:")


def test_both_names_in_one_place_are_refused(project):
    with pytest.raises(UsageError, match="means the same as `maps`") as failed:
        project(source="maps: {}\n    stream_maps: {}")
    assert failed.value.hint


def test_maps_of_a_pipeline_and_of_its_source_are_refused(project):
    with pytest.raises(UsageError, match=r"`pipelines.nightly.maps` maps streams, and so does the source `shop`"):
        project(source="stream_maps: {users: null}", pipeline="maps: {orders: null}")
    assert project(source="flattening_max_depth: 1", pipeline="maps: {orders: null}").pipelines["nightly"].has_maps


def test_targets_have_no_maps(project):
    with pytest.raises(UsageError, match=r"`targets.lake.maps` is not a key here"):
        project(more="environments: {prod: {targets: {lake: {maps: {}}}}}\n", environment="prod")


def test_every_setting_of_the_sdk_is_read(project):
    keys = project(
        pipeline="flattening_enabled: true\n    flattening_max_depth: 2\n    flattening_separator: '.'\n"
        "    flattening_max_key_length: 63\n    faker_config: {seed: 1, locale: [de_DE]}\n"
        "    stream_map_config: {a: {b: [1]}}"
    ).pipelines["nightly"]
    found = checked(keys)
    assert (found.flattening.depth, found.flattening.separator, found.flattening.longest) == (2, ".", 63)
    assert found.faker == {"seed": 1, "locale": ["de_DE"]}
    assert found.config == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    "wrong",
    ["maps: [users]", "flattening_enabled: 5", "flattening_max_depth: -1", "stream_map_config: x", "encrypt_key: {}"],
)
def test_a_value_of_another_type_is_refused_with_its_place(project, wrong):
    with pytest.raises(UsageError, match=r"tapdock.yaml:5: `sources\.shop\."):
        project(source=wrong)


def test_an_environment_changes_single_maps(project):
    more = "environments: {prod: {pipelines: {nightly: {maps: {users: {email: hash(email)}}, hash_key: '${K}'}}}}\n"
    pipeline = "stream_maps: {users: {email: null, n: 'str(id)'}}"
    read = project(pipeline=pipeline, more=more, environment="prod", environ={"K": KEY})
    assert read.pipelines["nightly"].maps == {"users": {"email": "hash(email)", "n": "str(id)"}}


def test_a_variable_changes_a_map(project):
    environ = {
        "TAPDOCK_PIPELINES__NIGHTLY__MAPS__USERS__EMAIL": "hash(email)",
        "TAPDOCK_PIPELINES__NIGHTLY__HASH_KEY": KEY,
    }
    read = project(pipeline="maps: {users: {email: null}}", environ=environ)
    assert checked(read.pipelines["nightly"]).entries[0].fields == {"email": "hash(email)"}
    assert KEY in set(project_secrets(read))
    environ = {"TAPDOCK_PIPELINES__NIGHTLY__FLATTENING_MAX_DEPTH": "3"}
    assert project(pipeline="flattening_max_depth: 1", environ=environ).pipelines["nightly"].flattening_max_depth == 3


def test_a_hash_key_is_a_reference_that_no_output_shows(project):
    with pytest.raises(UsageError, match="is a secret, which must not be in the project file") as failed:
        project(source=f"hash_key: {KEY}")
    assert KEY not in str(failed.value)
    keys = """hash_key: ${HASH_KEY}
    stream_map_config: {pepper: "${PEPPER}", plain: p}
    maps: {users: {password: md5(password)}}"""
    read = project(pipeline=keys, environ={"HASH_KEY": KEY, "PEPPER": "hot-pepper"})
    shown = {".".join(map(str, path)): value for path, value, _ in rows(read) if path[0] == "pipelines"}
    assert shown["pipelines.nightly.hash_key"] == "[secret]"
    assert shown["pipelines.nightly.stream_map_config.pepper"] == "[secret]"
    assert shown["pipelines.nightly.stream_map_config.plain"] == "p"
    assert shown["pipelines.nightly.maps.users.password"] == "md5(password)"
    assert variables_of(read, ("pipelines", "nightly", "hash_key")) == ("HASH_KEY",)
    assert {KEY, "hot-pepper"} <= set(project_secrets(read))
    assert KEY not in repr(read)
    settings = checked(read.pipelines["nightly"])
    assert settings.hash_key == KEY.encode()
    assert settings.config == {"pepper": "hot-pepper", "plain": "p"}


def test_a_secret_of_a_source_s_maps_is_known_to_the_redactor(project):
    read = project(
        source="hash_key: ${HASH_KEY}\n    maps: {users: {a: \"'${WORD}'\"}}",
        environ={"HASH_KEY": KEY, "WORD": "hidden!"},
    )
    assert {KEY, "hidden!"} <= set(project_secrets(read))
    with pytest.raises(UsageError, match="has a secret in it") as failed:
        checked(read.sources["shop"])
    assert "hidden!" not in str(failed.value)


def test_a_key_that_is_not_set_is_missed_when_it_is_needed(project):
    read = project(source="hash_key: ${HASH_KEY}\n    maps: {users: {a: 'hash(a)'}}")
    assert ("sources", "shop", "hash_key") in {path for path, _, _ in rows(read)}
    with pytest.raises(UsageError, match="needs the variable `HASH_KEY`, which is not set"):
        checked(read.sources["shop"])


def test_a_public_key_is_text_or_a_file(project, tmp_path):
    (tmp_path / "public.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    assert checked(project(source="encrypt_key: '${file:public.pem}'").sources["shop"]).encrypt_key == (
        b"-----BEGIN PUBLIC KEY-----"
    )
    assert checked(project(source="encrypt_key: PEM").sources["shop"]).encrypt_key == b"PEM"


def test_the_maps_of_a_run_are_those_of_its_pipeline_or_its_source(project):
    for more in ({}, {"source": "maps: {}"}, {"pipeline": "hash_key: '${K}'"}):
        read = project(**more)
        assert settings_of(read.pipelines["nightly"], read.sources["shop"]) is None
    for place, owner in (("source", "sources.shop"), ("pipeline", "pipelines.nightly")):
        read = project(**{place: "maps: {users: {a: null}}"})
        assert settings_of(read.pipelines["nightly"], read.sources["shop"]).place == f"{owner}.maps"
        read = project(**{place: "flattening_enabled: true"})
        with pytest.raises(UsageError, match=rf"`{owner}.maps` has `flattening_enabled` without"):
            settings_of(read.pipelines["nightly"], read.sources["shop"])


def test_settings_can_be_sent_to_the_relay_of_another_container(project):
    keys = """maps: {users: {__filter__: a > 1, a: null, b: hash(b)}, "*.c": drop, x: null, __else__: null}
    flattening_enabled: true
    flattening_max_depth: 2
    hash_key: ${K}
    encrypt_key: PEM
    stream_map_config: {a: {b: [1, "x"]}}"""
    settings = checked(project(source=keys, environ={"K": KEY}).sources["shop"])
    assert msgspec.json.decode(msgspec.json.encode(settings), type=MapSettings) == settings


def test_built_in_variables_have_no_value_in_maps(project):
    with pytest.raises(UsageError, match=r"refers to `\$\{PIPELINE\}`"):
        project(pipeline="stream_map_config: {a: '${PIPELINE}'}")


def test_the_schema_has_both_names():
    schema = jsonschema.validators.validator_for(json_schema())(json_schema())
    file = {"version": 1, "sources": {"s": {"image": "x", "stream_maps": {"users": None}, "hash_key": "${K}"}}}
    schema.validate(file)
    file["sources"]["s"]["hash_key"] = KEY
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(file)


def test_a_source_and_a_target_cannot_be_run_without_the_maps_of_their_pipeline(project):
    read = project(pipeline="maps: {users: {email: hash(email)}}")
    assert parse_blocks(read, ["nightly"])
    with pytest.raises(UsageError, match="pipeline `nightly` maps what `shop` writes to `lake`") as raised:
        parse_blocks(read, ["shop", "lake"])
    assert "`tapdock run nightly`" in (raised.value.hint or "")
    assert parse_blocks(project(), ["shop", "lake"])


def test_columns_of_a_matrix_are_not_left_out_by_a_run_without_its_pipeline(tmp_path):
    text = """version: 1
sources: {shop: {image: x}}
targets: {lake: {image: y}, other: {image: y}}
pipelines:
  nightly: {source: shop, target: lake, matrix: {rows: [{name: acme}], columns: {tenant: "${matrix.name}"}}}
"""
    (tmp_path / "tapdock.yaml").write_text(text)
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    with pytest.raises(UsageError, match="the matrix of pipeline `nightly` adds columns to what `shop` writes"):
        parse_blocks(project, ["shop", "lake"])
    assert parse_blocks(project, ["shop", "other"])
