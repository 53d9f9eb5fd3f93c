"""Tests the conversion of a realistic Meltano project with Meltano's own answers about it.

`meltano_shop/answers.json` has, for each environment, what Meltano 4.4.1 uses for each plugin: the config that it
writes, `load_schema`, the streams and fields that it selects of `catalog.json`, and the names of states.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tapdock.connectors.selection import select_streams
from tapdock.connectors.settings import coerce
from tapdock.errors import UsageError
from tapdock.project.connector_values import Config
from tapdock.project.load import load
from tapdock.project.meltano import Converted, converted, read
from tapdock.project.meltano_files import Files
from tapdock.project.model import Pipeline, Project
from tapdock.project.named import load_schema, sides
from tapdock.project.state_keys import key_of
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.catalogs.singer import singer_streams

SHOP = Path(__file__).parent / "meltano_shop"
ANSWERS = json.loads((SHOP / "answers.json").read_text())
SELECTIONS = json.loads((SHOP / "selections.json").read_text())
ADDED = {"updated_at"}
"""The cursor of a stream, which a run reads also if it is not selected."""
LESS: list[dict[str, Any]] = [
    {"select": ["*.*_secret"]},  # Meltano also reads the key of streams without such a field
    {"select": ["a*.*"], "select_filter": ["*t*"]},  # two globs, of which a line says that they cannot be combined
]
SECRETS = {"SHOP_PASSWORD": "s3cret", "CRM_TOKEN": "t0ken", "LAKE_PASSWORD": "l4ke", "TAP_FILES_DELIMITER": ","}
ENVIRONMENTS = list(ANSWERS)
SOURCES = list(ANSWERS["dev"]["extractors"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> tuple[Path, Converted]:
    """The folder of the converted project, in which Meltano's own files are, too."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(SHOP, folder, dirs_exist_ok=True)
    (folder / "variables.env").rename(folder / ".env")
    found = read(folder / "meltano.yml")
    (folder / "tapdock.yaml").write_text(yaml.safe_dump(found.project, sort_keys=False))
    return folder, found


def loaded(shop, environment: str, **variables: str) -> Project:
    return load(shop[0] / "tapdock.yaml", environment=environment, environ={**SECRETS, **variables})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_the_config_that_meltano_writes(shop, environment, name):
    source = loaded(shop, environment).sources[name]
    assert coerce(source.config, {}) == ANSWERS[environment]["extractors"][name]["config"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("pair", list(ANSWERS["dev"]["loaders"]))
def test_a_target_has_the_config_that_meltano_writes(shop, environment, pair):
    """Each pair, because the schema of a target depends on its source."""
    source, target = pair.split(" ")
    schema = ANSWERS[environment]["extractors"][source]["load_schema"]
    project = loaded(shop, environment)
    used = sides(project, Pipeline(name="pair", source=source, target=target), now=0.0)[1]
    wanted = ANSWERS[environment]["loaders"][pair]
    if target == "target-lake--raw" and source != "tap-crm":
        wanted = {**wanted, "default_target_schema": f"raw_{schema}"}  # this pair has no pipeline, and a line says so
    assert coerce(used.config, {}) == wanted


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_reads_what_meltano_selects(shop, environment, name):
    source = loaded(shop, environment).sources[name]
    catalog = source.catalog.content if source.catalog else (SHOP / "catalog.json").read_bytes()
    chosen = select_streams(singer_streams(catalog), source.select, source.streams)
    found = {each.stream.name: read_fields(each) for each in chosen}
    assert found == ANSWERS[environment]["extractors"][name]["selected"]


def read_fields(chosen: ConfiguredStream) -> list[str]:
    """Return the fields that are read, also those inside of objects, as Meltano lists them."""
    whole = chosen.stream.json_schema["properties"]
    top = [name for name in whole if name not in chosen.excluded]
    inside = [(name, one) for name in top for one in whole[name].get("properties", ())]
    return sorted([*top, *(".".join(path) for path in inside if path not in chosen.nested)])


@pytest.mark.parametrize(("plugin", "selected"), SELECTIONS, ids=lambda value: str(value)[:60])
def test_every_form_of_a_selection(tmp_path, plugin, selected):
    """`selections.json` has what Meltano 4.4.1 selects of the same catalog with these keys of an extractor."""
    extractor = {"name": "tap-x", "pip_url": "tap-x", **plugin}
    found = converted(Files({"plugins": {"extractors": [extractor]}}))
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump(found.project))
    source = load(tmp_path / "tapdock.yaml", environment=None, environ={}).sources["tap-x"]
    streams = singer_streams((SHOP / "catalog.json").read_bytes())
    try:
        chosen = select_streams(streams, source.select, source.streams)
    except UsageError:
        chosen = ()
    found = {each.stream.name: sorted(set(read_fields(each)) - (ADDED & set(each.added))) for each in chosen}
    assert all(set(fields) <= set(selected[stream]) for stream, fields in found.items()), "never more than Meltano"
    if plugin not in LESS:
        assert found == selected


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_pipeline_has_the_state_of_meltano(shop, environment):
    """A schedule of an extractor and a loader has its own name as the name of its state, in every environment."""
    project = loaded(shop, environment)
    names = ANSWERS[environment]["states"]
    assert {name: key_of(one, environment) for name, one in project.pipelines.items()} == {
        "shop-1": names["tap-shop target-lake"],
        "both-1": names["tap-shop--archive target-lake"],
        "both-2": names["tap-crm target-lake--raw"],
        "hidden": names["tap-crm target-lake--raw"].replace("target-lake--raw", "target-lake"),  # without the mapping
        "legacy": names["tap-legacy target-lake"],
        "crm-to-files-hourly": "crm-to-files-hourly",
        "files-into-lake": "files into lake",
        "shop-2": "shop",
    }


def test_a_utility_is_a_task_and_its_commands_are_steps_of_jobs(shop):
    project = loaded(shop, "dev")
    assert {name: job.steps for name, job in project.jobs.items()} == {
        "shop": ("shop-1", "dbt-postgres:nightly"),
        "both": ("both-1", "both-2"),
    }
    dbt = project.tasks["dbt-postgres"]
    assert dbt.build
    assert dbt.build.package == "dbt-core~=1.7 dbt-postgres~=1.7"
    assert dbt.commands["nightly"].args == ("run", "--select", "tag:nightly")
    assert (dbt.working_dir, [mount.target for mount in dbt.mounts]) == ("/project", ["/project"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_schema_of_a_source_in_its_targets(shop, environment):
    sources = loaded(shop, environment).sources
    answers = ANSWERS[environment]["extractors"]
    assert {name: load_schema(one) for name, one in sources.items()} == {
        name: answer["load_schema"] for name, answer in answers.items()
    }


def test_annotations(shop):
    project = loaded(shop, "dev")
    assert project.annotations == {"catalog.domain": "commerce"}
    assert project.sources["tap-shop"].annotations == {"owner": "commerce"}


def test_how_streams_are_read(shop):
    assert loaded(shop, "dev").sources["tap-shop"].streams["orders"].log_based
    orders = loaded(shop, "prod").sources["tap-shop"].streams["orders"]
    assert (orders.sync_mode, orders.cursor_field, orders.log_based) == ("incremental", ("updated_at",), False)
    assert orders.schema == {"total": {"type": ["string", "null"], "format": "singer.decimal"}}
    assert orders.metadata == {"total": {"sql-datatype": "numeric"}}
    customers = loaded(shop, "prod").sources["tap-shop"].streams["customers"]
    assert (customers.sync_mode, customers.primary_key) == ("full_refresh", (("id",),))


def test_schedules(shop):
    """They run what was converted, with their variables, and a job runs its pipelines one after the other."""
    schedules = loaded(shop, "prod").schedules
    nightly = schedules["every-night"]
    assert (nightly.cron, nightly.timezone, coerce(Config(nightly.env), {})) == (
        "0 2 * * *",
        "UTC",
        {"REGION": "eu-south-1"},
    )
    assert nightly.run
    assert (schedules["crm-to-files-hourly"].run, schedules["crm-to-files-hourly"].cron) == (
        ("crm-to-files-hourly",),
        "@hourly",
    )
    assert loaded(shop, "prod").pipelines["files-into-lake"].state_id == "files into lake"


def test_variables_of_processes(shop):
    prod = loaded(shop, "prod")
    crm = coerce(Config(prod.sources["tap-crm"].env), {})
    assert crm == {"REGION": "eu-west-1", "PGAPPNAME": "shop-eu-west-1", "TAP_CRM_PAGE_SIZE": "250"}
    assert coerce(Config(prod.sources["tap-shop--archive"].env), {}) == {
        **crm,
        "PGCONNECT_TIMEOUT": "15",
        "PGSSLROOTCERT": "/certs/root.pem",
    }


def test_how_an_image_is_made(shop):
    sources = loaded(shop, "dev").sources
    build = sources["tap-shop--archive"].build
    assert (build.package, build.executable, build.python) == ("acme-tap-shop==2.4.1", "tap-shop", "3.11")
    assert sources["tap-legacy"].catalog_option == "--properties"


@pytest.mark.parametrize(
    "line",
    [
        "meltano.yml:214: the name `files into lake`, which is taken or not valid: the schedule is `files-into-lake` now",  # noqa: E501
        "meltano.yml:218: `transform: run` of the schedule `files into lake`",
        "pipelines/legacy.meltano.yml:5: the name `shop`, which is taken or not valid: the pipeline is `shop-2` now",
        "meltano.yml:144: tap-files: `select`, which Meltano ignores beside `catalog`",
    ],
)
def test_what_is_left(shop, line):
    assert line in shop[1].left


def test_no_line_contains_a_secret(shop):
    assert not [line for line in shop[1].left if any(value in line for value in SECRETS.values() if len(value) > 1)]
