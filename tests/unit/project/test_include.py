"""Tests `include:` and `extends:` of the project file."""

import os
from pathlib import Path

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.model import Project

MAIN = """\
version: 1
include: [parts/*.yaml]
sources: {shop: {image: x}}
environments:
  prod: {vars: {REGION: us}}
"""
LAKE = """\
vars: {REGION: eu}
targets:
  lake: {image: y, config: {region: "${REGION}", token: "${file:token}"}, mounts: ["./data:/data"]}
environments:
  prod: {targets: {lake: {memory: 1g}}}
"""
DEMO = "pipelines:\n  demo: {source: shop, target: lake}\n"


@pytest.fixture
def project(tmp_path: Path):
    """project({name: text}, environment=…) writes files and loads `tapdock.yaml`."""

    def loaded(files: dict[str, str], *, environment: str | None = None, **environ: str) -> Project:
        for name, text in {"tapdock.yaml": MAIN, **files}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name).write_text(text)
        return load(tmp_path / "tapdock.yaml", environment=environment, environ=environ, trusted={0, os.geteuid()})

    return loaded


def test_files_make_one_project_and_keep_their_places(project, tmp_path):
    (tmp_path / "token").write_text("x\n")
    read = project({"parts/b.yaml": DEMO, "parts/a.yaml": LAKE, "parts/c.txt": "no"}, environment="prod")
    lake = read.targets["lake"]
    assert (lake.config["region"], lake.config["token"].reveal(), lake.memory) == ("us", "x", 1 << 30)
    assert lake.mounts[0].source == str(tmp_path / "data")
    assert list(read.pipelines) == ["demo"]
    assert read.origins["targets.lake.config.region"] == f"parts{os.sep}a.yaml:3"
    assert read.origins["targets.lake.memory"] == "environment prod (parts/a.yaml:5)"


def test_files_include_others_relative_to_themselves_and_once(project):
    files = {
        "tapdock.yaml": MAIN.replace("parts/*.yaml", "parts/a.yaml, parts/deep/c.yaml"),
        "parts/a.yaml": "version: 1\ninclude: deep/*.yaml\n" + LAKE,
        "parts/deep/c.yaml": "include: [d.yaml]\n",
        "parts/deep/d.yaml": DEMO,
    }
    assert list(project(files).pipelines) == ["demo"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"parts/a.yaml": "\nsources: {shop: {image: z}}"},
            r"^parts/a\.yaml:2: `sources\.shop` is defined twice, first in tapdock\.yaml:3$",
        ),
        (
            {"parts/a.yaml": "sources: {shop: }"},
            r"^parts/a\.yaml:1: `sources\.shop` is defined twice, first in tapdock\.yaml:3$",
        ),
        (
            {"parts/a.yaml": LAKE, "parts/b.yaml": "targets:\n  lake: {image: z}"},
            r"^parts/b\.yaml:2: `targets\.lake` is defined twice, first in parts/a\.yaml:3$",
        ),
        (
            {"parts/a.yaml": "environments: {prod: {vars: {REGION: eu}}}"},
            r"^parts/a\.yaml:1: `environments\.prod\.vars\.REGION` is defined twice, first in tapdock\.yaml:5$",
        ),
        (
            {"parts/a.yaml": LAKE, "parts/b.yaml": "pipelines: {lake: {source: shop, target: lake}}"},
            r"^parts/b\.yaml:1: `pipelines\.lake` has the same name as `targets\.lake` \(parts/a\.yaml:3\)$",
        ),
        (
            {"parts/a.yaml": "include: b.yaml", "parts/b.yaml": "include: ['../tapdock.yaml']"},
            r"tapdock\.yaml -> parts",
        ),
        (
            {"parts/a.yaml": "include: a.yaml"},
            r"^parts/a\.yaml:1: `include.*`.* tapdock\.yaml -> parts/a\.yaml -> parts/a",
        ),
        ({}, r"^tapdock\.yaml:2: `include\.0` names `parts/\*\.yaml`, and there is no such file$"),
        ({"parts/a.yaml": "state_backend: {uri: x}"}, r"^parts/a\.yaml:1: `state_backend` is not a key here$"),
        ({"parts/a.yaml": "pipeline: {}"}, r"^parts/a\.yaml:1: `pipeline` is not a known key$"),
        ({"parts/a.yaml": "version: 2"}, r"^parts/a\.yaml:1: `version` is `2`, not 1$"),
        ({"parts/a.yaml": "a: [\n"}, r"^parts/a\.yaml:\d: malformed YAML"),
        ({"parts/a.yaml": DEMO}, r"^parts/a\.yaml:2: `pipelines\.demo\.target` names `lake`"),
    ],
)
def test_mistakes_are_named_with_their_file_and_line(project, files, message):
    with pytest.raises(UsageError, match=message):
        project(files)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("owned", ["parts", "parts/a.yaml"])
def test_a_file_of_another_user_is_refused(project, tmp_path, owned):
    project({"parts/a.yaml": LAKE})
    os.chown(tmp_path / owned, 54321, -1)
    with pytest.raises(UsageError, match=rf"{owned} belongs to uid 54321, not to you") as raised:
        project({})
    assert f"`tapdock --project {tmp_path} …`" in (raised.value.hint or "")


BASE = """\
version: 1
sources:
  base:
    image: x
    config: {a: 1, deep: {b: 2, list: [1, 2]}, token: "${TOKEN}"}
    env: {A: a}
    select: [x]
    memory: 1g
  shop: {extends: base, config: {deep: {b: 3, list: [4]}}, env: {B: b}}
  old: {extends: shop, config: {c: 5}, memory: }
  own: {extends: base, build: {singer: "tap-own==1.0"}}
targets: {lake: {image: y}}
defaults: {memory: 2g}
environments: {prod: {sources: {base: {config: {a: 9}, image: "x:2"}}}}
"""


def test_a_connector_has_the_keys_of_the_one_that_it_extends(project):
    read = project({"tapdock.yaml": BASE}, TOKEN="t0ken-word")
    shop, old, own = (read.sources[name] for name in ("shop", "old", "own"))
    assert shop.config["token"].reveal() == "t0ken-word"
    assert {key: shop.config[key] for key in ("a", "deep")} == {"a": 1, "deep": {"b": 3, "list": [4]}}
    assert (shop.image, shop.select, shop.memory, shop.env) == ("x", ("x",), 1 << 30, {"B": "b"})
    assert (old.config["c"], old.config["deep"]["b"], old.memory, old.extends) == (5, 3, None, "shop")
    assert "c" not in shop.config
    assert read.sources["base"].config["deep"] == {"b": 2, "list": [1, 2]}
    assert (own.image, own.build and own.build.package) == ("tapdock/tap-own:1.0", "tap-own==1.0")
    assert read.origins["sources.shop.config.a"] == "tapdock.yaml:5"
    assert read.origins["sources.shop.config.deep.b"] == "tapdock.yaml:9"


def test_environments_and_variables_of_the_other_connector_count_too(project):
    read = project({"tapdock.yaml": BASE}, environment="prod", TAPDOCK_SOURCES__BASE__CONFIG__DEEP__B="7")
    assert (read.sources["old"].config["a"], read.sources["old"].image) == (9, "x:2")
    assert read.sources["own"].image == "tapdock/tap-own:1.0"
    assert read.sources["base"].config["deep"]["b"] == 7
    assert read.sources["shop"].config["deep"]["b"] == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "base:\n",
            "base:\n    extends: old\n",
            r"`sources\.shop\.extends` leads back to `base`: base -> old -> shop -> base",
        ),
        (
            "extends: shop",
            "extends: old",
            r"^tapdock\.yaml:10: `sources\.old\.extends` leads back to `old`: old -> old",
        ),
        (
            "extends: shop",
            "extends: shpo",
            r"^tapdock\.yaml:10: `sources\.old\.extends` names `shpo`, but there is no such",
        ),
        ("extends: shop", "extends: lake", r"`sources\.old\.extends` names `lake`, which is a target, not a source"),
        ("extends: shop", "extends: [shop]", r"`sources\.old\.extends` is a list, not text"),
    ],
)
def test_what_extends_nothing_or_itself_is_refused(project, old, new, message):
    with pytest.raises(UsageError, match=message):
        project({"tapdock.yaml": BASE.replace(old, new, 1)})
