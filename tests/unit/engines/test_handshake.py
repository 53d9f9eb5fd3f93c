"""What engines say of a folder that they do not have, each in its own words."""

import docker.errors
import pytest

from tapdock.engines.docker import handshake


class Refusing:
    """An engine that makes no container."""

    def __init__(self, words: str) -> None:
        self._words = words

    def create_host_config(self, **_: object) -> dict[str, object]:
        return {}

    def create_container(self, *_: object, **__: object) -> None:
        raise docker.errors.APIError(self._words)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ('invalid mount config for type "bind": bind source path does not exist: /tmp/x', False),  # Docker
        ("container create: statfs /tmp/x: no such file or directory", False),  # Podman
        ("No such image: probe", None),  # tells nothing of folders
    ],
)
def test_a_folder_that_the_engine_does_not_have(tmp_path, words, answer):
    assert handshake.has_folder(Refusing(words), "probe", tmp_path, owner="me") is answer
    assert handshake.has_pipes(Refusing(words), "probe", tmp_path, source="/tmp/x", owner="me") is answer
    assert [path.name for path in tmp_path.iterdir()] == ["probe"], "the pipe that was tried; its folder goes with it"
