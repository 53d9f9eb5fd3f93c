"""Tests the output of a build: short progress, the reason of a failure, and no credential afterwards."""

import re
import subprocess
from pathlib import Path

import pytest

from tapdock.connectors.images import images_folder
from tapdock.engines.docker.build import alone, build, swept
from tapdock.errors import EngineError

FROM = {"stream": "Step 1/2 : FROM base\n"}
INSTALL = {"stream": "Step 2/2 : RUN sh /opt/install.sh\n"}
FAILED = {"error": "The command '/bin/sh -c sh /opt/install.sh' returned a non-zero code: 1"}


class Api:
    """Answers like the builder. `stages` are commands of the remaining images of build stages."""

    def __init__(self, *answers, stages=(), containers=()):
        self.answers = answers
        self.stages = {f"sha256:{number}": command for number, command in enumerate(stages)}
        self.steps = {f"c{number}": state for number, state in enumerate(containers)}
        self.given = {}

    def build(self, **given):
        self.given = given
        return iter(self.answers)

    def images(self, **_):
        return list(self.stages)

    def history(self, image):
        return [{"CreatedBy": self.stages[image]}]

    def remove_image(self, image):
        del self.stages[image]

    def containers(self, *, filters, **_):
        if filters["label"] != "io.tapdock.stage=build":
            return []
        named = {"Id": "mine", "State": "running", "Image": "mine:1", "ImageID": "sha256:9"}
        return [
            {"Id": id_, "State": state, "Image": "5", "ImageID": "sha256:55"} for id_, state in self.steps.items()
        ] + [named]

    def remove_container(self, container, **_):
        del self.steps[container]


def built(api, **indexes):
    said = []
    build(api, Path("x"), tag="x:1", args={"PACKAGE": "p"}, indexes=indexes, labels={}, progress=said.append)
    return said


def failure(*answers, args=None):
    said = []
    with pytest.raises(EngineError) as caught:
        build(Api(*answers), Path("x"), tag="x:1", args=args or {}, indexes={}, labels={}, progress=said.append)
    return caught.value, said[1:]


def test_a_build_that_works_says_little():
    assert built(Api(FROM, INSTALL, {"stream": "\x1b[32mCollecting\x1b[0m things\n"})) == ["building x:1"]


def test_an_index_is_in_an_argument_that_stays_in_no_history():
    api = Api(FROM)
    built(api, PIP_INDEX_URL="https://user:word@host", UV_INDEX_URL="it's $(one)")
    carried = api.given["buildargs"].pop("FTP_PROXY")
    assert api.given["buildargs"] == {"PACKAGE": "p"}
    shown = 'printf "%s|%s" "$PIP_INDEX_URL" "$UV_INDEX_URL"'
    said = subprocess.run(["sh", "-c", f'eval "$FTP_PROXY"; {shown}'], env={"FTP_PROXY": carried}, capture_output=True)
    assert said.stdout == b"https://user:word@host|it's $(one)"


def test_every_recipe_that_installs_takes_indexes_from_that_argument():
    """In every step with an index, the same line of the recipe makes variables from the argument."""
    line = """case "${FTP_PROXY:-}" in "export "*) eval "$FTP_PROXY" ;; esac; unset FTP_PROXY"""
    recipes = [file for file in images_folder().rglob("Dockerfile") if "ARG PIP_INDEX_URL" in file.read_text()]
    assert len(recipes) == 8
    for recipe in recipes:
        steps = re.findall(r"^RUN .*?[^\\\n]$", recipe.read_text(), re.DOTALL | re.MULTILINE)
        installs = [step for step in steps if re.search(r"pip install|npm install", step)]
        assert installs
        assert all(line in step for step in installs), recipe
        script = recipe.with_name("install.sh")
        assert not script.exists() or line in script.read_text()


def test_the_words_of_a_recipe_are_the_message():
    words = {"stream": "error: p has no program `q`\nhint: name one\n"}
    error, said = failure(FROM, {"stream": "pulled\n"}, INSTALL, words, FAILED)
    assert (error.message, error.hint) == ("`x:1` could not be built: p has no program `q`", "name one")
    assert said == []


def test_the_words_of_a_recipe_may_have_several_lines():
    words = ["Downloading", "error: p cannot be installed:", "error:   because of q", "hint: change q"]
    error, said = failure(FROM, INSTALL, {"stream": "error: earlier\n"}, {"stream": "\n".join(words) + "\n"}, FAILED)
    message = "`x:1` could not be built: p cannot be installed:\n  because of q"
    assert (error.message, error.hint, said) == (message, "change q", [])


def test_of_a_long_reason_the_message_has_what_matters():
    words = [*(f"error: {number}" for number in range(200)), "error: KeyError: x", "error: hint: ask", "hint: x"]
    error, said = failure(INSTALL, {"stream": "\n".join(words) + "\n"}, FAILED)
    assert error.message.splitlines() == ["`x:1` could not be built: 0", "KeyError: x"]
    assert (said[0], said[19:22], said[-2:]) == ("0", ["19", "… (122 lines)", "142"], ["KeyError: x", "hint: ask"])


DOWNLOAD = """\
error: p cannot be installed:
error: error: Failed to build `parser==2.0.8`
error:   cause: The build backend returned an error
error:   cause: Call to `build_wheel` failed (exit status: 1)
error:          [stderr]
error:          Traceback (most recent call last):
error:            File "<string>", line 11, in <module>
error:              data = _fetch(url)
error:                     ^^^^^^^^^^^
error:          RuntimeError: failed to download https://a.io/x: <urlopen error [Errno -2] Name or service not known>
error: hint: Build failures usually indicate a problem with the package or the build environment
hint: a compiler or a library may be missing
"""
REGISTRY = """\
error: p cannot be installed:
error: error: Request failed after 3 retries in 11.9s
error:   cause: tcp connect error
error:   cause: Connection refused (os error 111)
hint: change what is installed with `overrides`
"""
DEBIAN = """\
error: Debian packages cannot be installed:
error: E: Failed to fetch http://packages.example/x  Temporary failure resolving 'packages.example'
hint: correct `apt` under `build`
"""


@pytest.mark.parametrize(
    ("output", "hint"),
    [(DOWNLOAD, "downloads something while it is built"), (REGISTRY, "PIP_INDEX_URL"), (DEBIAN, "mirror of Debian")],
)
def test_a_server_that_cannot_be_reached_is_the_networks_fault(output, hint):
    error, _ = failure(INSTALL, {"stream": output}, FAILED)
    assert hint in (error.hint or "")
    assert not {"compiler", "overrides", "correct"} & set((error.hint or "").split())
    assert len(error.message) < 300


def test_the_message_of_a_package_that_downloads_names_the_address():
    error, said = failure(INSTALL, {"stream": DOWNLOAD}, FAILED)
    first, second, third = error.message.splitlines()
    assert (first, second) == (
        "`x:1` could not be built: p cannot be installed:",
        "error: Failed to build `parser==2.0.8`",
    )
    assert third.startswith("RuntimeError: failed to download https://a.io/x")
    assert len(said) == 11, "the rest is printed before"


def test_a_registry_that_the_first_step_cannot_reach():
    step = {"stream": 'Step 5/9 : RUN case "${FTP_PROXY:-}" in "export "*) eval "$FTP_PROXY" ;; esac; pip install uv\n'}
    output = {"stream": "Failed to establish a new connection: [Errno -2] Name or service not known\n"}
    error, _ = failure(step, output, FAILED)
    assert error.message == "`x:1` could not be built at step 5/9: installing packages: exit code 1"
    assert "PIP_INDEX_URL" in (error.hint or "")


def test_else_the_step_that_failed_is_shown_without_escapes():
    output = {"stream": "\x1b[31m  no such package\x1b[0m\n"}
    error, said = failure(FROM, {"stream": "pulled\n"}, INSTALL, output, FAILED)
    assert error.message == "`x:1` could not be built at step 2/2: installing packages: exit code 1"
    assert said == ["  no such package"]


@pytest.mark.parametrize(("args", "versions"), [({}, "3.10 to 3.12"), ({"PYTHON": "3.9"}, "3.9")])
def test_a_base_that_cannot_be_pulled_can_be_another(args, versions):
    error, _ = failure(FROM, {"error": "no such host"}, args=args)
    assert error.hint == f"set TAPDOCK_BASE_IMAGE to another base image with Python {versions}"


INDEXED = "|2 PIP_EXTRA_INDEX_URL= PIP_INDEX_URL=https://user:word@host /bin/sh -c pip"
PLAIN = '|1 PIP_INDEX_URL= /bin/sh -c PIP_INDEX_URL="${PIP_INDEX_URL:-$UV_INDEX_URL}" pip'
CARRIED = "|1 FTP_PROXY=export PIP_INDEX_URL='https://user:word@host/?a' /bin/sh -c pip"
NPM = "|1 NPM_CONFIG_REGISTRY=https://user:word@host /bin/sh -c npm"


@pytest.mark.parametrize("ending", [(), (FAILED,)])
def test_a_build_removes_what_killed_ones_left_whatever_its_ending(ending):
    api = Api(INSTALL, *ending, stages=[INDEXED, PLAIN, CARRIED, NPM], containers=["exited", "created"])
    try:
        built(api)
    except EngineError:
        assert ending
    assert (list(api.stages.values()), api.steps) == ([PLAIN], {})


def test_what_killed_builds_left_is_removed_and_reported(tmp_path):
    api = Api(stages=[INDEXED, PLAIN], containers=["exited"])
    assert swept(api, tmp_path / "lock") == (("container c0 of a build", "image 0 of a build"), ())
    assert list(api.stages.values()) == [PLAIN]
    assert swept(api, tmp_path / "lock") == ((), ())


def test_nothing_is_removed_while_a_build_of_this_user_is_under_way(tmp_path):
    api = Api(stages=[INDEXED])
    with alone(tmp_path / "lock", lambda _: None):
        assert swept(api, tmp_path / "lock") == ((), (("image 0 of a build", "a build is running"),))
    assert swept(api, tmp_path / "lock").removed == ("image 0 of a build",)


def test_nothing_is_removed_while_somebody_elses_build_is_under_way(tmp_path):
    api = Api(stages=[INDEXED], containers=["running"])
    assert swept(api, tmp_path / "lock") == ((), (("image 0 of a build", "a build is running"),))
    built(api)
    assert list(api.stages.values()) == [INDEXED]
