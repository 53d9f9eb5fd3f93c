"""What a build says: little while it works, the reason when it fails, and no credential afterwards."""

from pathlib import Path

import pytest

from tapdock.engines.docker_build import build
from tapdock.errors import EngineError

FROM = {"stream": "Step 1/2 : FROM base\n"}
INSTALL = {"stream": "Step 2/2 : RUN sh /opt/install.sh\n"}
FAILED = {"error": "The command '/bin/sh -c sh /opt/install.sh' returned a non-zero code: 1"}


class Api:
    """Answers as the builder does; `stages` are commands of the build stages' images that are left."""

    def __init__(self, *answers, stages=()):
        self.answers = answers
        self.stages = dict(enumerate(stages))
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


def built(api, **indexes):
    said = []
    build(api, Path("x"), tag="x:1", args={"PACKAGE": "p"}, indexes=indexes, labels={}, progress=said.append)
    return said


def failure(*answers):
    said = []
    with pytest.raises(EngineError) as caught:
        build(Api(*answers), Path("x"), tag="x:1", args={}, indexes={}, labels={}, progress=said.append)
    return caught.value, said[1:]


def test_a_build_that_works_says_little():
    assert built(Api(FROM, INSTALL, {"stream": "\x1b[32mCollecting\x1b[0m things\n"})) == ["building x:1"]


def test_indexes_are_arguments_of_the_build():
    api = Api(FROM)
    built(api, PIP_INDEX_URL="https://user:word@host")
    assert api.given["buildargs"] == {"PACKAGE": "p", "PIP_INDEX_URL": "https://user:word@host"}


def test_the_words_of_a_recipe_are_the_message():
    words = {"stream": "error: p has no program `q`\nhint: name one\n"}
    error, said = failure(FROM, {"stream": "pulled\n"}, INSTALL, words, FAILED)
    assert (error.message, error.hint) == ("`x:1` could not be built: p has no program `q`", "name one")
    assert said == []


def test_else_the_step_that_failed_is_shown_without_escapes():
    output = {"stream": "\x1b[31m  no such package\x1b[0m\n"}
    error, said = failure(FROM, {"stream": "pulled\n"}, INSTALL, output, FAILED)
    assert error.message.startswith("`x:1` could not be built at step 2/2: RUN sh /opt/install.sh: The command")
    assert said == ["  no such package"]


def test_a_base_that_cannot_be_pulled_can_be_another():
    error, _ = failure(FROM, {"error": "no such host"})
    assert "TAPDOCK_BASE_IMAGE" in (error.hint or "")


@pytest.mark.parametrize("ending", [(), (FAILED,)])
def test_stages_that_remember_an_index_are_removed_whatever_the_ending(ending):
    api = Api(INSTALL, *ending, stages=["PIP_INDEX_URL=https://user:word@host pip", "PIP_INDEX_URL= pip"])
    try:
        built(api, PIP_INDEX_URL="https://user:word@host")
    except EngineError:
        assert ending
    assert list(api.stages) == [1]


def test_without_an_index_every_stage_stays():
    api = Api(INSTALL, stages=["PIP_INDEX_URL= pip"])
    built(api)
    assert list(api.stages) == [0]
