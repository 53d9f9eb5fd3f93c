"""Tests the built-in variables of connectors' configs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tapdock.connectors.masking import masked
from tapdock.connectors.settings import coerce
from tapdock.errors import UsageError
from tapdock.project.builtin import read_builtin
from tapdock.project.composed import steady
from tapdock.project.connector_values import Config
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.project.named import alone, sides
from tapdock.project.secret import Secret
from tapdock.runs.target_place import places

NOW = datetime(2026, 3, 31, 8, 5, 9, 500_000, UTC).timestamp()
FILE = """\
version: 1
vars: {SCHEMA: "raw_${LOAD_SCHEMA}"}
sources:
  shop-eu: {image: x, config: {since: "${NOW-30d}", name: "${SOURCE}"}}
  crm: {image: x, load_schema: sales}
targets:
  lake:
    image: y
    config:
      schema: ${SCHEMA}
      user: "${PIPELINE:-nobody}"
      url: "db://${PW}@h/${TARGET}"
      day: ${TODAY:%Y}
      database: d_${TODAY}
    env: {APP: "tapdock ${ENVIRONMENT:-none} ${RUN_ID}"}
pipelines:
  a: {source: shop-eu, target: lake}
  b: {source: crm, target: lake}
environments: {prod: {}}
"""


@pytest.fixture
def project(tmp_path: Path):
    def loaded(text: str = FILE, *, environment: str | None = None, **environ: str) -> Project:
        (tmp_path / "tapdock.yaml").write_text(text)
        return load(tmp_path / "tapdock.yaml", environment=environment, environ={"PW": "s3cret-word", **environ})

    return loaded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NOW", "2026-03-31T08:05:09Z"),
        ("TODAY", "2026-03-31"),
        ("NOW-30d", "2026-03-01T08:05:09Z"),
        ("TODAY-1d:%d.%m.%Y", "30.03.2026"),
        ("TODAY+1w", "2026-04-07"),
        ("NOW-90m:%H:%M", "06:35"),
        ("TODAY-1mo", "2026-02-28"),
        ("TODAY-13mo:%Y-%m-01", "2025-02-01"),
        ("TODAY+9mo", "2026-12-31"),
        ("NOW:%s", "1774944309"),
        ("TODAY:%s 100%%", "1774915200 100%"),
        ("TODAY:%%Y", "%Y"),
    ],
)
def test_times(text, value):
    assert read_builtin(text, place="f:1").value({}, NOW) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NOW-30", r"f:1 has `\$\{NOW-30\}`, which is not a reference"),
        ("NOW-30y", "not a reference"),
        ("NOW - 1d", "not a reference"),
        ("TODAY:-x", "not a reference"),
        ("TODAY:", "not a reference"),
        ("SOURCE-1d", "not a reference"),
        ("TODAY-36h", "TODAY is a day without a time"),
        ("TODAY:%Q", "unknown code `%Q`"),
        ("TODAY:50%", "unknown code `%`"),
        ("TODAY-999999mo", "not in the years 1 to 9999"),
        ("NOW-99999999w", "not in the years 1 to 9999"),
    ],
)
def test_a_reference_that_is_not_sound_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        read_builtin(text, place="f:1")


def test_each_pipeline_has_its_own_names(project):
    read = project()
    texts = {}
    for name, pipeline in read.pipelines.items():
        source, target = sides(read, pipeline, now=NOW, run_id="r1")
        texts[name] = coerce(target.config, {"properties": {"day": {"type": "integer"}}})
        assert target.env == {"APP": "tapdock none r1"}
    assert texts["a"] == {
        "schema": "raw_shop_eu",
        "user": "a",
        "url": "db://s3cret-word@h/lake",
        "day": 2026,
        "database": "d_2026-03-31",
    }
    assert texts["b"]["schema"] == "raw_sales"
    source, _ = sides(read, read.pipelines["a"], now=NOW)
    assert source.config == {"since": "2026-03-01T08:05:09Z", "name": "shop-eu"}


def test_only_what_has_a_secret_in_it_is_masked(project):
    read = project()
    _, target = sides(read, read.pipelines["a"], now=NOW)
    assert masked(target.config, None)["schema"] == "raw_shop_eu"
    assert masked(target.config, None)["url"] == "[secret]"
    shown = masked(read.targets["lake"].config, None)
    assert (shown["schema"], shown["url"]) == ("raw_${LOAD_SCHEMA}", "[secret]")
    assert target.config["url"].parts == ("s3cret-word",)


def test_two_sources_in_one_target_write_to_two_places_that_do_not_move_with_the_day(project):
    read = project()
    found = [
        places(sides(read, pipeline, now=NOW + days * 86400)[1], read)
        for pipeline in read.pipelines.values()
        for days in (0, 1)
    ]
    assert found[0] == found[1] != found[2] == found[3]
    assert "config.database" in found[0]


def test_a_date_is_compared_as_it_is_written(project):
    read = project()
    config = sides(read, read.pipelines["a"], now=NOW)[1].config
    compared = coerce(Config(steady(config)), {})
    assert (compared["database"], compared["schema"], compared["url"]) == (
        "d_${TODAY}",
        "raw_shop_eu",
        "db://s3cret-word@h/lake",
    )


def test_a_connector_alone_has_the_names_of_its_only_pipeline_or_says_what_is_missing(project):
    read = project()
    assert alone(read, read.sources["shop-eu"], now=NOW).config["name"] == "shop-eu"
    target = alone(read, read.targets["lake"], now=NOW)
    assert target.config["user"] == "nobody"
    with pytest.raises(UsageError, match=r"tapdock\.yaml:\d+: `vars\.SCHEMA` needs|config\.schema` needs") as raised:
        target.config["schema"].reveal()
    assert raised.value.hint
    assert "--pipeline" in raised.value.hint
    assert alone(read, read.targets["lake"], now=NOW, pipeline=read.pipelines["b"]).config["schema"] == "raw_sales"
    one = project(FILE.replace("  b: {source: crm, target: lake}\n", ""))
    assert alone(one, one.targets["lake"], now=NOW).config["schema"] == "raw_shop_eu"


def test_the_environment_is_known_everywhere(project):
    text = FILE + 'state_backend: {uri: "s3://x/${ENVIRONMENT}"}\n'
    assert project(text, environment="prod", ENVIRONMENT="other").state_uri == "s3://x/prod"
    assert project(environment="prod").targets["lake"].env["APP"].written == "tapdock prod ${RUN_ID}"
    with pytest.raises(UsageError, match=r"`state_backend\.uri` needs the name of the environment, but none is chosen"):
        project(text)


def test_a_variable_of_the_environment_does_not_replace_a_built_in_one(project):
    read = project(SOURCE="other", NOW="never")
    assert sides(read, read.pipelines["a"], now=NOW)[0].config["name"] == "shop-eu"
    assert not isinstance(sides(read, read.pipelines["a"], now=NOW)[0].config["since"], Secret)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{SCHEMA:", "{TODAY: x, SCHEMA:", r"tapdock\.yaml:2: `vars\.TODAY` has the name of a built-in variable"),
        (
            "crm: {image: x",
            "crm: {image: 'x:${SOURCE}'",
            r"tapdock\.yaml:5: `sources\.crm\.image` refers to `\$\{SOURCE",
        ),
        ("crm: {image: x", "crm: {image: '${SCHEMA}'", r"`sources\.crm\.image` refers to `\$\{LOAD_SCHEMA\}`"),
        ("${NOW-30d}", "${NOW-30}", r"tapdock\.yaml:4: `sources\.shop-eu\.config\.since` has `\$\{NOW-30\}`"),
    ],
)
def test_mistakes_are_named_with_their_place(project, old, new, message):
    with pytest.raises(UsageError, match=message):
        project(FILE.replace(old, new))


def test_a_reserved_name_in_dotenv_is_refused(project, tmp_path):
    (tmp_path / ".env").write_text("A=1\n\nTARGET=x\n")
    with pytest.raises(UsageError, match=r"\.env:3: `TARGET` is a reserved name"):
        project()


def test_names_that_begin_like_a_built_in_one_are_variables(project):
    read = project(FILE.replace("${SOURCE}", "${SOURCE_HOST}${NOWHERE}"), SOURCE_HOST="h", NOWHERE="n")
    assert read.sources["shop-eu"].config["name"] == Secret("hn")
