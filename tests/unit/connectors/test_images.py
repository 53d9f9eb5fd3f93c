"""Tests which image is built with which content, and when it is built again."""

import compileall
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from tapdock.cli.assembly import relay_image
from tapdock.connectors import images, lockfile
from tapdock.connectors.images import Making, build_plan, making, recipe_of
from tapdock.connectors.kinds import airbyte, singer
from tapdock.errors import EngineError, UsageError
from tapdock.launch import ImageFacts
from tapdock.project.connectors import build_image
from tapdock.project.manifests import PROGRAM
from tapdock.project.model import Build, Connector

JSONL = Build(family="singer", package="target-jsonl==0.1.4")
FAKER = Build(family="airbyte-python", package="airbyte-source-faker==7.2.1")


def plan(build=JSONL, *, base_image=None, base_digest=None):
    return build_plan(build, tag="tapdock/x:1", base_image=base_image, base_digest=base_digest)


ARGUMENTS = [
    (JSONL, {"PACKAGE": "target-jsonl==0.1.4"}),
    (
        Build(family="singer", package="meltanolabs-target-csv==0.5.0", executable="target-csv"),
        {"PACKAGE": "meltanolabs-target-csv==0.5.0", "EXECUTABLE": "target-csv"},
    ),
    (FAKER, {"PACKAGE": "airbyte-source-faker==7.2.1", "NAME": "source-faker", "VERSION": "7.2.1"}),
    (
        PROGRAM,
        {
            "PACKAGE": "airbyte-cdk==7.39.1",
            "EXECUTABLE": "source-declarative-manifest",
            "NAME": "source-declarative-manifest",
            "VERSION": "7.39.1",
        },
    ),
    (
        Build(family="airbyte-python", package="airbyte_source_File"),
        {"PACKAGE": "airbyte_source_File", "NAME": "source-file"},
    ),
    (
        Build(family="airbyte-python", package="airbyte-source-x[y]==1.0 lxml<5", executable="source-z"),
        {
            "PACKAGE": "airbyte-source-x[y]==1.0 lxml<5",
            "EXECUTABLE": "source-z",
            "NAME": "source-z",
            "VERSION": "1.0",
        },
    ),
    (
        Build(family="airbyte-python", package="airbyte-source-x>=1"),
        {"PACKAGE": "airbyte-source-x>=1"},
    ),
    (
        Build(family="airbyte-python", package="git+https://example.org/x.git"),
        {"PACKAGE": "git+https://example.org/x.git"},
    ),
    (
        Build(
            family="singer",
            package="tap-x",
            python="3.10",
            apt=("gcc", "libpq-dev"),
            with_=("six", 'lxml<5; python_version < "4"'),
            constraints=("pandas<2",),
            overrides=("a==1", "b==2"),
            before="2024-06-30",
        ),
        {
            "PACKAGE": "tap-x",
            "PYTHON": "3.10",
            "APT": "gcc libpq-dev",
            "WITH": 'six\nlxml<5; python_version < "4"',
            "CONSTRAINTS": "pandas<2",
            "OVERRIDES": "a==1\nb==2",
            "BEFORE": "2024-06-30",
            "BASE_IMAGE": "python:3.10-slim-bookworm",
        },
    ),
]


@pytest.mark.parametrize(("build", "args"), ARGUMENTS, ids=[build.package for build, _ in ARGUMENTS])
def test_arguments_of_a_recipe(build, args):
    assert plan(build).args == args


def test_the_folder_of_a_recipe_has_a_dockerfile():
    for build in (JSONL, FAKER):
        assert (plan(build).context / "Dockerfile").is_file()


def test_a_base_image_is_an_argument_only_where_it_is_given():
    assert "BASE_IMAGE" not in plan().args
    assert plan(base_image="base:1").args["BASE_IMAGE"] == "base:1"


def test_bytecode_makes_no_other_recipe(tmp_path):
    """pip compiles the programs of a recipe. If that counted, each installation would build all images again."""
    (tmp_path / "program.py").write_text("pass")
    before = recipe_of(tmp_path, {})
    compileall.compile_dir(tmp_path, quiet=1)
    assert list(tmp_path.rglob("*.pyc"))
    assert recipe_of(tmp_path, {}) == before
    (tmp_path / "program.py").write_text("pass\n")
    assert recipe_of(tmp_path, {}) != before


def test_what_makes_another_recipe():
    same = plan(base_image="base:1", base_digest="sha256:1").recipe
    assert plan(base_image="base:1", base_digest="sha256:1").recipe == same
    others = [
        plan().recipe,
        plan(base_image="base:1", base_digest="sha256:2").recipe,
        plan(Build(family="singer", package="target-jsonl==0.1.3"), base_image="base:1").recipe,
        plan(Build(family="airbyte-python", package="target-jsonl==0.1.4"), base_image="base:1").recipe,
    ]
    assert len({same, *others}) == 5


@pytest.mark.parametrize(
    "option",
    [
        {"python": "3.10"},
        {"apt": ("gcc",)},
        {"with_": ("six",)},
        {"constraints": ("six",)},
        {"overrides": ("six",)},
        {"before": "2024-06-30"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_each_key_makes_another_image(option):
    """Two connectors of one package do not take turns to build the same image."""
    other = msgspec.structs.replace(JSONL, **option)
    assert plan(other).recipe != plan().recipe
    assert build_image(other) != build_image(JSONL)
    assert build_image(other).startswith("tapdock/target-jsonl:0.1.4-")


def test_packages_with_the_same_program_have_images_of_their_own():
    packages = (
        "tap-x==1",
        "meltanolabs-tap-x==1",
        "pipelinewise-tap-x==1",
        "tap-x[s3]==1",
        "git+https://a/x",
        "git+https://b/x",
    )
    names = [build_image(msgspec.structs.replace(JSONL, package=package, executable="tap-x")) for package in packages]
    assert len(set(names)) == len(packages)
    assert names[0] == build_image(msgspec.structs.replace(JSONL, package="tap-x==1")) == "tapdock/tap-x:1"
    assert build_image(msgspec.structs.replace(JSONL, package="tap_x==1", executable="tap-x")) == "tapdock/tap-x:1"


def test_more_requirements_make_another_image():
    one, two = (msgspec.structs.replace(JSONL, package=f"target-jsonl==0.1.4 six=={version}") for version in (1, 2))
    assert len({build_image(JSONL), build_image(one), build_image(two)}) == 3


@pytest.mark.parametrize(
    ("given", "python", "base"),
    [
        (None, None, "python:3.12.12-slim-bookworm"),
        (None, "3.10", "python:3.10-slim-bookworm"),
        ("base:1", "3.10", "base:1"),
        ("mirror:5000/python:{python}-slim", "3.10", "mirror:5000/python:3.10-slim"),
        ("mirror:5000/python:{python}-slim", None, "mirror:5000/python:3.12-slim"),
    ],
)
def test_the_base_image_of_a_build(given, python, base):
    build = msgspec.structs.replace(JSONL, python=python)
    assert images.base_of(build, Making(base_image=given)) == base
    engine = Engine()
    connector = Connector(name="x", role="target", image="x:1", build=build)
    images.build(engine, connector, making=Making(base_image=given), progress=lambda _: None)
    assert engine.built[0].get("BASE_IMAGE", "python:3.12.12-slim-bookworm") == base
    assert engine.pulled == ([base] if given else [])
    assert images.is_current(engine, connector, making=Making(base_image=given))


def test_only_index_addresses_are_taken_from_the_environment():
    environ = {"TAPDOCK_BASE_IMAGE": "base:1", "PIP_INDEX_URL": "u", "UV_EXTRA_INDEX_URL": "", "PIP_CERT": "c"}
    assert making(environ) == Making(base_image="base:1", indexes={"PIP_INDEX_URL": "u"})
    assert making({}) == Making()
    assert "hidden" not in repr(making({"PIP_INDEX_URL": "https://hidden@x"}))


class Engine:
    """An engine that builds at once. `meanwhile` is called while another process waits for its turn to build."""

    name = "small"

    def __init__(self, *, meanwhile=lambda _: None) -> None:
        self.images: dict[str, ImageFacts] = {}
        self.built: list[dict[str, str]] = []
        self.pulled: list[str] = []
        self.refused: str | None = None
        self._meanwhile = meanwhile

    def inspect(self, image):
        return self.images.get(image)

    def refusal(self, image):
        return self.refused

    def pull(self, image, *, platform, progress):
        self.pulled.append(image)
        self.keep(image, {})

    @contextmanager
    def building(self, progress) -> Iterator[None]:
        self._meanwhile(self)
        yield

    def build(self, context, *, tag, args, indexes, labels, progress):
        self.built.append({**args, **indexes})
        self.keep(tag, labels)

    def keep(self, image, labels):
        digest = f"sha256:{len(self.images)}"
        self.images[image] = ImageFacts(image=image, digest=digest, id=f"id-{digest}", labels=labels)


LINES = Connector(name="lines", role="target", image="tapdock/x:1", build=JSONL)


def obtained(engine, connector=LINES, **given):
    return images.obtain(engine, connector, making=Making(**given), progress=lambda _: None)


def test_an_image_is_built_once():
    engine = Engine()
    assert obtained(engine) == obtained(engine)
    assert len(engine.built) == 1


def test_an_image_of_the_same_name_and_another_recipe_is_built_anew():
    engine = Engine()
    engine.keep("tapdock/x:1", {})
    obtained(engine)
    assert len(engine.built) == 1


def test_the_base_image_is_here_before_it_is_part_of_a_recipe():
    engine = Engine()
    obtained(engine, base_image="base:1")
    obtained(engine, base_image="base:1")
    assert (engine.pulled, len(engine.built)) == (["base:1"], 1)


DEFAULT = images.base_of(JSONL, Making())


@pytest.mark.parametrize(
    ("present", "refused", "given", "base"),
    [
        ([images.LOCAL_BASE], "no route", None, images.LOCAL_BASE),
        ([images.LOCAL_BASE], None, None, None),
        ([images.LOCAL_BASE, DEFAULT], "no route", None, None),
        ([images.LOCAL_BASE], "no route", "mine:1", "mine:1"),
        ([], "no route", None, None),
    ],
)
def test_a_base_image_that_is_there_is_used_if_the_default_cannot_be_pulled(present, refused, given, base):
    engine, said = Engine(), []
    engine.refused = refused
    for image in present:
        engine.keep(image, {})
    for _ in range(2):
        images.obtain(engine, LINES, making=Making(base_image=given), progress=said.append)
    assert [built.get("BASE_IMAGE") for built in engine.built] == [base]
    assert len(said) == (base == images.LOCAL_BASE)
    assert all(DEFAULT in line and images.LOCAL_BASE in line and "TAPDOCK_BASE_IMAGE" in line for line in said)


def test_an_image_that_was_built_with_the_variable_stays_current_without_it():
    engine = Engine()
    engine.keep(images.LOCAL_BASE, {})
    obtained(engine, base_image=images.LOCAL_BASE)
    assert images.is_current(engine, LINES, making=Making())
    obtained(engine)
    assert len(engine.built) == 1


def test_the_default_of_the_recipes_and_the_name_of_the_local_base():
    script = (Path(__file__).parents[3] / "scripts" / "base-image").read_text()
    assert f"MADE={images.LOCAL_BASE}\n" in script
    assert f"PUBLISHED={DEFAULT}\n" in script


def test_an_index_reaches_the_build_and_no_recipe():
    engine = Engine()
    obtained(engine, indexes={"PIP_INDEX_URL": "one"})
    assert engine.built[0]["PIP_INDEX_URL"] == "one"
    obtained(engine, indexes={"PIP_INDEX_URL": "two"})
    assert len(engine.built) == 1


def test_what_another_process_built_meanwhile_is_taken():
    def other(engine):
        engine.keep("tapdock/x:1", {"io.tapdock.recipe": plan().recipe})

    engine = Engine(meanwhile=other)
    assert obtained(engine).labels
    assert engine.built == []


def test_an_engine_that_cannot_build():
    class Runs:
        name = "plain"

        def inspect(self, image):
            return None

    with pytest.raises(EngineError, match="the plain engine cannot build images"):
        obtained(Runs())


def test_only_what_a_build_made_is_locked_by_its_recipe():
    """Anyone can put the label of a recipe on an image, and push the image under a name that is in a lock."""
    engine = Engine()
    built = lockfile.identity(obtained(engine))
    assert built == f"recipe:{plan().recipe}"
    engine.keep("other/x:1", {"io.tapdock.recipe": plan().recipe})
    pulled = obtained(engine, Connector(name="x", role="target", image="other/x:1"))
    assert lockfile.identity(pulled) == pulled.digest
    with pytest.raises(EngineError, match=r"but tapdock\.lock has recipe:"):
        lockfile.verify({"other/x:1": built}, pulled)


def test_an_image_that_was_verified_is_started_whatever_its_name_means_by_then():
    engine = Engine()
    engine.keep("other/x:1", {})
    connector = Connector(name="x", role="target", image="other/x:1", entrypoint=("x",))
    facts = obtained(engine, connector)
    engine.keep("other/x:1", {"another": "image"})
    for launch in (
        singer.write(connector, facts, config={}),
        singer.read(connector, facts, config={}, catalog=None, state=None),
        singer.about(connector, facts),
        airbyte.spec(connector, facts),
        airbyte.check(connector, facts, {}),
        airbyte.read(connector, facts, config={}, catalog=b"", state=None),
        airbyte.write(connector, facts, config={}, catalog=None),
    ):
        assert (launch.image, launch.called) == (facts.id, "other/x:1")


def test_the_image_of_the_relay_is_locked_as_well():
    engine = Engine()
    engine.keep("runner:1", {"io.tapdock.recipe": "r"})
    environ = {"TAPDOCK_RELAY_IMAGE": "runner:1"}
    assert relay_image(engine, environ) == "runner:1"
    assert relay_image(engine, environ, locked={"runner:1": "sha256:0"}) == "id-sha256:0"
    with pytest.raises(EngineError, match=r"`runner:1` is not in tapdock\.lock"):
        relay_image(engine, environ, locked={})
    with pytest.raises(EngineError, match=r"but tapdock\.lock has sha256:1"):
        relay_image(engine, environ, locked={"runner:1": "sha256:1"})


@pytest.mark.long
def test_licenses_of_what_is_in_an_image_are_listed():
    command = [sys.executable, images.images_folder() / "licenses.py"]
    named = subprocess.run([*command, "orjson", "msgspec"], check=True, capture_output=True, text=True).stdout
    assert named.startswith("Python 3.")
    assert f"msgspec {version('msgspec')}: BSD" in named
    assert "Redistributions in binary form must reproduce" in named
    assert "docker" not in named
    every = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert all(f"\n{name} {version(name)}: " in every for name in ("docker", "orjson", "typer", "urllib3"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": []}', '{"images": 1}', "nonsense"])
def test_a_lock_that_cannot_be_read(tmp_path, text):
    (tmp_path / "tapdock.lock").write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        lockfile.read(tmp_path)


CHECKOUT = Path(__file__).parents[3]


def test_what_images_are_made_of_has_exact_versions():
    files = [*images.images_folder().glob("*/Dockerfile"), CHECKOUT / ".devcontainer" / "Dockerfile"]
    recipes = {file: file.read_text() for file in files}
    bases = {base for text in recipes.values() for base in re.findall(r"^ARG BASE_IMAGE=(.*)", text, re.MULTILINE)}
    (base,) = bases
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)
    assert f"readonly PUBLISHED={base}\n" in (CHECKOUT / "scripts" / "base-image").read_text()
    assert f":-{base}}}" in (CHECKOUT / "compose.yaml").read_text()
    for file, text in recipes.items():
        for words in re.findall(r"/pip install ((?:[^\n]|(?<=\\)\n)*)", text):
            named = [word for word in words.replace("\\\n", " ").partition(" && ")[0].split() if word[0] not in "-$"]
            assert all(re.fullmatch(r"'?[a-z0-9-]+(\[[a-z0-9,]+\])?==[0-9.]+'?", word) for word in named), (file, named)
