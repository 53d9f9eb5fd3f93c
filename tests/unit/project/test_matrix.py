"""Matrices: the rows of a pipeline, their values in configs, their states, and what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tapdock.errors import UsageError
from tapdock.project.blocks import RowsBlock, parse_blocks, pipelines_of
from tapdock.project.load import load
from tapdock.project.model import Pipeline, Project
from tapdock.project.rows import is_row_key, named_pipeline
from tapdock.project.secret import Secret
from tapdock.project.state_keys import key_of
from tapdock.text.redaction import Redactor
from tapdock.translate.maps.settings import settings_of

ROWS = [{"name": "acme", "host": "db1", "port": 5433}, {"name": "beta", "host": "db2"}]
CONFIG = {"host": "${matrix.host}", "port": "${matrix.port:-5432}", "dsn": "pg://${matrix.host}/${matrix.name}"}


def project(folder: Path, matrix: Any = ROWS, *, environ: dict[str, str] | None = None, **more: Any) -> Project:
    """`more` are keys of the pipeline. `source`, `target` and `keys` are those of the connectors and of the file."""
    source = {"image": "x", "config": CONFIG, **more.pop("source", {})}
    target = {"image": "y", **more.pop("target", {})}
    keys = more.pop("keys", {})
    shop = {"source": "crm", "target": "lake", "matrix": matrix, **more}
    whole = {"version": 1, "sources": {"crm": source}, "targets": {"lake": target}, "pipelines": {"shop": shop}, **keys}
    file = folder / "tapdock.yaml"
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    return load(file, environment=None, environ=environ or {})


def rows(loaded: Project, *words: str) -> list[Pipeline]:
    return list(pipelines_of(parse_blocks(loaded, words or ["shop"])))


def config(row: Pipeline) -> dict[str, Any]:
    assert row.variant
    found = row.variant.sources["crm"].config
    return {key: each.reveal() if isinstance(each, Secret) else each for key, each in found.items()}


def problem(*args: Any, words: tuple[str, ...] = ("shop",), **more: Any) -> str:
    with pytest.raises(UsageError) as raised:
        rows(project(*args, **more), *words)
    return f"{raised.value.message}\n{raised.value.hint}"


# --- values ----------------------------------------------------------------------------------------------------------


def test_each_row_is_a_pipeline_with_its_own_config_and_state(tmp_path):
    acme, beta = rows(project(tmp_path, state_suffix="eu"))
    assert [acme.name, beta.name] == ["shop[acme]", "shop[beta]"]
    assert config(acme) == {"host": "db1", "port": 5433, "dsn": "pg://db1/acme"}
    assert config(beta) == {"host": "db2", "port": "5432", "dsn": "pg://db2/beta"}
    assert key_of(acme, None) == "default:crm-to-lake:eu:acme"
    assert key_of(beta, "prod") == "prod:crm-to-lake:eu:beta"


def test_values_keep_their_type_and_are_not_replaced_twice(tmp_path):
    matrix = [{"name": "acme", "host": "$${NAME} $$x", "port": ["a", {"b": True}]}]
    (acme,) = rows(project(tmp_path, matrix, environ={"NAME": "wrong"}))
    assert config(acme) == {"host": "${NAME} $x", "port": ["a", {"b": True}], "dsn": "pg://${NAME} $x/acme"}


def test_a_relay_in_a_container_can_get_the_columns_and_settings_of_a_row(tmp_path):
    matrix = {"rows": ROWS, "columns": {"tenant": "${matrix.name}"}}
    maps = {"maps": {"users": {"host": "config['host']"}}, "stream_map_config": {"host": "${matrix.host}"}}
    for row in rows(project(tmp_path, matrix, **maps)):
        assert row.variant
        settings = settings_of(row, row.variant.sources["crm"])
        assert msgspec.json.decode(msgspec.json.encode(settings))["columns"] == {"tenant": row.row}


def test_a_secret_of_a_row_is_hidden_and_learned(tmp_path):
    loaded = project(tmp_path, [{"name": "acme", "host": "${HOST}"}], environ={"HOST": "s3cret-host"})
    redactor = Redactor(())
    assert loaded.references
    loaded.references.listen(redactor)
    (acme,) = rows(loaded)
    assert acme.variant
    assert repr(acme.variant.sources["crm"].config["dsn"]) == "[secret]"
    assert "s3cret-host" not in redactor("host is s3cret-host")
    assert config(acme)["dsn"] == "pg://s3cret-host/acme"


def test_a_missing_variable_of_one_row_is_no_error_of_another(tmp_path):
    acme, beta = rows(project(tmp_path, [{"name": "acme", "host": "${MISSING}"}, {"name": "beta", "host": "db2"}]))
    assert config(beta)["host"] == "db2"
    with pytest.raises(UsageError, match="needs the variable `MISSING`"):
        config(acme)


def test_keys_of_connectors_and_of_the_pipeline_and_vars_refer_to_rows(tmp_path):
    loaded = project(
        tmp_path,
        source={"mounts": ["./${matrix.name}:/data"], "config": {"url": "${URL}"}, "memory": "${matrix.memory:-1g}"},
        prefix="${matrix.name}_",
        retries="${matrix.retries:-3}",
        keys={"vars": {"URL": "https://${matrix.host}/"}},
    )
    base = loaded.sources["crm"]
    assert (base.mounts, base.memory) == ((), None)
    acme, beta = rows(loaded)
    assert acme.variant
    crm = acme.variant.sources["crm"]
    assert [mount.source for mount in crm.mounts] == [str(tmp_path / "acme")]
    assert (crm.memory, acme.retries, acme.namespacing.prefix, beta.namespacing.prefix) == (2**30, 3, "acme_", "beta_")
    assert config(acme) == {"url": "https://db1/"}
    assert crm.row == "shop[acme]", "a token that the connector renews is kept for this row"
    assert acme.variant.targets["lake"].row is None, "a token of a target that all rows share is kept once"


def test_an_environment_and_a_variable_replace_values(tmp_path):
    loaded = project(tmp_path, environ={"TAPDOCK_SOURCES__CRM__CONFIG__HOST": "other"})
    assert [config(row)["host"] for row in rows(loaded)] == ["other", "other"]


def test_a_connector_inherits_references_to_rows(tmp_path):
    extra = {"crm": {"image": "x", "config": CONFIG, "mounts": ["./${matrix.name}:/d"]}, "own": {"extends": "crm"}}
    loaded = project(tmp_path, keys={"sources": extra}, source={}, target={})
    loaded_own = load_with_source(tmp_path, "own")
    (acme, _) = rows(loaded_own)
    assert acme.variant
    own = acme.variant.sources["own"]
    assert (own.row, [mount.source for mount in own.mounts]) == ("shop[acme]", [str(tmp_path / "acme")])
    assert loaded.sources["own"].unset is not None


def load_with_source(folder: Path, source: str) -> Project:
    file = folder / "tapdock.yaml"
    whole = yaml.safe_load(file.read_text())
    whole["pipelines"]["shop"]["source"] = source
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    return load(file, environment=None, environ={})


# --- names and states ------------------------------------------------------------------------------------------------


def test_rows_that_are_named_one_after_the_other_are_one_block(tmp_path):
    loaded = project(tmp_path, keys={"jobs": {"nightly": ["shop[beta]", "shop"]}})
    blocks = parse_blocks(loaded, ["shop[acme]", "shop[beta]", "shop[acme]", "shop"])
    assert [block.names for block in blocks if isinstance(block, RowsBlock)] == [("acme", "beta", "acme"), None]
    assert [each.name for each in pipelines_of(blocks[:1])] == ["shop[acme]", "shop[beta]"]
    assert [each.name for each in rows(loaded, "nightly")] == ["shop[beta]", "shop[acme]", "shop[beta]"]


def test_names_of_rows(tmp_path):
    loaded = project(tmp_path)
    found = named_pipeline(loaded, "shop[beta]")
    assert found is not None
    assert found.row == "beta"
    assert named_pipeline(loaded, "other") is None
    with pytest.raises(UsageError, match="pipeline `shop` has a matrix"):
        named_pipeline(loaded, "shop")
    assert is_row_key(loaded, "default:crm-to-lake:removed"), "the state of a removed row is still one of the project"
    assert not is_row_key(loaded, "default:crm-to-lake")


@pytest.mark.parametrize(
    ("matrix", "own", "suffix"),
    [
        (ROWS, {}, "acme"),
        (ROWS, {"state_suffix": "eu"}, "eu:acme"),
        ({"file": "rows.json"}, {}, "acme"),  # is not read: a row can have any name
        ({"command": ["rows"]}, {"state_suffix": "eu"}, "eu:acme"),
    ],
)
def test_a_pipeline_cannot_have_the_state_of_a_row(tmp_path, matrix, own, suffix):
    """It would go on from where the row ended, even if the row never runs with it."""
    project(tmp_path, matrix, **own)
    file = tmp_path / "tapdock.yaml"
    whole = yaml.safe_load(file.read_text())
    plain = whole["pipelines"]["plain"] = {"source": "erp", "target": "lake", "state_suffix": suffix}
    whole["sources"]["erp"] = {"image": "x"}
    whole["pipelines"]["shop"]["source"] = "erp"
    file.write_text(yaml.safe_dump(whole))
    with pytest.raises(UsageError, match=f"`{suffix}` of `pipelines.plain` makes its state that of a row"):
        load(file, environment=None, environ={})
    plain["state_suffix"] = "us:acme"
    file.write_text(yaml.safe_dump(whole))
    load(file, environment=None, environ={})


@pytest.mark.parametrize(
    ("own", "second"),
    [
        ({"state_suffix": "eu"}, {"source": "crm", "state_suffix": "${matrix.host}"}),
        ({"state_id": "n-${matrix.name}"}, {"source": "erp", "state_id": "n-${matrix.host}"}),
    ],
)
def test_a_row_cannot_have_the_state_of_a_row_of_another_matrix(tmp_path, own, second):
    project(tmp_path)
    file = tmp_path / "tapdock.yaml"
    whole = yaml.safe_load(file.read_text())
    whole["sources"]["erp"] = whole["sources"]["crm"]
    whole["pipelines"]["shop"] |= own
    row = {"name": "acme", "host": "eu" if "state_suffix" in own else "beta"}
    whole["pipelines"]["second"] = {"target": "lake", "matrix": [row, {"name": "gamma", "host": "us"}], **second}
    file.write_text(yaml.safe_dump(whole))
    loaded = load(file, environment=None, environ={})
    assert [each.name for each in rows(loaded, "second[gamma]")] == ["second[gamma]"]
    for name in ("second[acme]", "shop"):
        with pytest.raises(UsageError, match="would share the state"):
            rows(loaded, name)


def test_a_state_id_refers_to_the_row(tmp_path):
    assert "so all rows would share one state" in problem(tmp_path, state_id="nightly")
    found = rows(project(tmp_path, state_id="nightly-${matrix.host}"))
    assert [key_of(each, None) for each in found] == ["nightly-db1", "nightly-db2"]
    same = [{"name": "acme", "host": "db"}, {"name": "beta", "host": "db"}]
    assert "would share the state `nightly-db`" in problem(tmp_path, same, state_id="nightly-${matrix.host}")
    assert "would share" in problem(tmp_path, same, state_id="nightly-${matrix.host}", words=("shop[beta]",))


def test_two_matrices_of_one_source_and_target_need_suffixes(tmp_path):
    file = tmp_path / "tapdock.yaml"
    project(tmp_path)
    whole = yaml.safe_load(file.read_text())
    whole["pipelines"]["again"] = whole["pipelines"]["shop"]
    file.write_text(yaml.safe_dump(whole))
    with pytest.raises(UsageError, match="could share states"):
        load(file, environment=None, environ={})


# --- where rows are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.yaml", "# tenants\n- {name: acme, host: db1}\n- name: beta\n  host: ${HOST}\n"),
        ("rows.json", '[{"name": "acme", "host": "db1"}, {"name": "beta", "host": "${HOST}"}]'),
        ("rows.csv", "\ufeffname, host\nacme,db1\n\nbeta,${HOST}\n"),
    ],
)
def test_rows_of_a_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = rows(project(tmp_path, {"file": name}, environ={"HOST": "db2"}))
    assert [(row.name, config(row)["host"]) for row in found] == [("shop[acme]", "db1"), ("shop[beta]", "db2")]


def command(folder: Path, program: str, **more: Any) -> dict[str, Any]:
    (folder / "rows.py").write_text(program)
    return {"command": [sys.executable, "rows.py"], **more}


def test_a_command_runs_once_and_only_when_rows_are_needed(tmp_path):
    printed = [*ROWS, {"name": "c", "host": "${HOME}"}]
    program = f"open('ran', 'a').write('x'); print({json.dumps(json.dumps(printed))})"
    loaded = project(tmp_path, command(tmp_path, program), keys={"jobs": {"nightly": ["shop"]}})
    assert not (tmp_path / "ran").exists()
    found = rows(loaded)
    rows(loaded, "shop[acme]")
    assert (tmp_path / "ran").read_text() == "x"
    assert config(found[2])["host"] == "${HOME}", "what a program prints is used as it is"


def test_columns_and_an_empty_matrix(tmp_path):
    matrix = {"rows": ROWS, "columns": {"tenant": "${matrix.name}", "port": "${matrix.port:-1}", "two": 2}}
    assert [dict(row.columns) for row in rows(project(tmp_path, matrix))] == [
        {"tenant": "acme", "port": 5433, "two": 2},
        {"tenant": "beta", "port": "1", "two": 2},
    ]
    assert rows(project(tmp_path, {"rows": [], "allow_empty": True})) == []
    assert "has no rows" in problem(tmp_path, [])


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ([{"host": "db1"}], "tapdock.yaml:17: `pipelines.shop.matrix.0` has no `name`"),
        ([{"name": ""}], "has no `name`"),
        (["acme"], "`pipelines.shop.matrix.0` is `acme`, not a mapping"),
        ([{"name": "a/b"}], "is `a/b`, not a valid name of a row"),
        ([{"name": "a]b"}], "not a valid name"),
        ([{"name": "-a"}], "not a valid name"),
        ([{"name": 1.5}], "is `1.5`, not text"),
        ([{"name": "${HOME}"}], "is a secret or a reference"),
        ([{"name": "a"}, {"name": "a"}], "`pipelines.shop.matrix.1.name` is `a`, too (first in tapdock.yaml:17)"),
        ([{"name": "a"}, {"name": "A"}], "is `A`, and tapdock.yaml:17 has `a`"),
        ([{"name": "a", "b c": 1}], "is not the name of a value"),
        ([{"name": "a", "b": "${matrix.name}"}], "refers to a row, but is itself part of one"),
        ("acme", "is `acme`, not a mapping"),
        ({}, "has no rows"),
        ({"rows": [], "file": "x"}, "has both `rows` and `file`"),
        ({"rows": ROWS, "timeout": "5s"}, "has no effect without `command`"),
        ({"row": ROWS}, "`pipelines.shop.matrix.row` is not a key here\nwrite `rows`"),
        ({"rows": ROWS, "columns": {"t": "${SECRET}"}}, "is a secret, which would be written with each record"),
        ({"file": "tenants.yaml"}, "names the file `tenants.yaml`, which does not exist"),
        ({"file": "tenants.txt"}, "`tenants.txt` is not a file of rows"),
        ({"file": "broken.json"}, "broken.json is not JSON"),
        ({"file": "object.json"}, "is a mapping, not a list"),
        ({"file": "mapping.yaml"}, "mapping.yaml:1: the file is not a list"),
        ({"file": "noname.yaml"}, "noname.yaml:2: `pipelines.shop.matrix.rows.1` has no `name`"),
        ({"file": "twice.csv"}, "twice.csv:1: the column `name` is there twice"),
        ({"file": "short.csv"}, "short.csv:3: the row has 1 values, but the header has 2"),
        ({"file": "semicolons.csv"}, "the columns of a CSV file must be separated by commas, not by semicolons"),
        ({"command": "/nothing/there"}, "cannot be started: No such file or directory"),
    ],
)
def test_a_wrong_matrix_is_refused(tmp_path, matrix, said):
    (tmp_path / "tenants.txt").write_text("acme")
    (tmp_path / "broken.json").write_text("[")
    (tmp_path / "object.json").write_text("{}")
    (tmp_path / "mapping.yaml").write_text("acme: {host: db}")
    (tmp_path / "noname.yaml").write_text("- {name: acme}\n- {host: b}\n")
    (tmp_path / "twice.csv").write_text("name,name\na,b\n")
    (tmp_path / "semicolons.csv").write_text("name;count;region\na;1;eu\n")
    (tmp_path / "short.csv").write_text("name,host\na,b\nc\n")
    assert said in problem(tmp_path, matrix, environ={"SECRET": "hunter22", "HOME": "/root"})


@pytest.mark.long
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; print('no database', file=sys.stderr); sys.exit(3)", "exited with 3: no database"),
        ("print('acme')", "did not print JSON"),
        ("print('{}')", "is a mapping, not a list"),
        ("print('[{\"host\": 1}]')", "has no `name`"),
        ("print('[]')", "has no rows"),
        ("import time; time.sleep(600)", "did not end within 0.5 s"),
        ("print('x' * (17 << 20))", "printed more than 16 MiB"),
    ],
)
def test_a_command_that_does_not_print_rows(tmp_path, program, said):
    more = {"timeout": "500ms"} if "sleep" in program else {}
    assert said in problem(tmp_path, command(tmp_path, program, **more))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": {"image": "x-${matrix.name}"}}, "but `image` is the same for all rows"),
        ({"keys": {"labels": {"a": "${matrix.name}"}}}, "which has no value here"),
        ({"prefix": "${matrix.hosst}_"}, "has no `hosst`\ndid you mean `host`?"),
        ({"source": {"mounts": ["./${matrix.folder}:/data"]}}, "has no `folder`"),
        ({"prefix": "${matrix.none}"}, "has no `none`: it is empty\nwrite `${matrix.none:-text}`"),
        ({"source": {"config": {"a": "x${matrix.list}"}}}, "inside of a text, but it is a list"),
    ],
)
def test_a_wrong_reference_is_refused(tmp_path, more, said):
    assert said in problem(tmp_path, [{"name": "acme", "host": "h", "list": [], "none": None}], **more)


def test_a_wrong_reference_in_a_config_is_an_error_of_the_row(tmp_path):
    (acme,) = rows(project(tmp_path, [{"name": "acme", "host": "h"}], source={"config": {"a": "${matrix.hots}"}}))
    with pytest.raises(UsageError) as raised:
        config(acme)
    assert "the row `acme` of `shop` has no `hots`" in raised.value.message
    assert raised.value.hint == "did you mean `host`?"


def test_a_pipeline_without_a_matrix_has_no_rows(tmp_path):
    file = tmp_path / "tapdock.yaml"
    project(tmp_path)
    whole = yaml.safe_load(file.read_text())
    whole["pipelines"]["plain"] = {"source": "crm", "target": "lake"}
    file.write_text(yaml.safe_dump(whole))
    loaded = load(file, environment=None, environ={})
    for words, said in [
        (["plain[acme]"], "pipeline `plain` has no `matrix`"),
        (["shop[acm]"], "has no row `acm`"),
        (["shop[]"], "has no row ``"),
    ]:
        with pytest.raises(UsageError) as raised:
            rows(loaded, *words)
        assert said in raised.value.message
    (plain,) = rows(loaded, "plain")
    with pytest.raises(UsageError) as raised:
        loaded.sources[plain.source].config["host"].reveal()
    assert "depends on the row of a matrix" in raised.value.message
    assert "`tapdock run 'shop[ROW]'`" in str(raised.value.hint)
    whole["pipelines"]["plain"]["prefix"] = "${matrix.name}_"
    file.write_text(yaml.safe_dump(whole))
    with pytest.raises(UsageError, match="this pipeline has no `matrix`"):
        load(file, environment=None, environ={})


def test_hundreds_of_rows_are_read_without_making_their_projects(tmp_path):
    loaded = project(tmp_path, [{"name": f"t{number}", "host": f"db{number}"} for number in range(500)])
    (one,) = rows(loaded, "shop[t499]")
    assert config(one)["host"] == "db499"
    assert loaded.rows
    assert len(loaded.rows.made) == 1  # type: ignore[attr-defined]
