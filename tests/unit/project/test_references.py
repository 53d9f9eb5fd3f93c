"""Tests `${file:…}` and `${exec:…}`: secrets from files and programs."""

import base64
import os
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tapdock.connectors.masking import masked, project_secrets
from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.project.references import Reference, References
from tapdock.text.redaction import Redactor


@pytest.fixture
def project(tmp_path: Path):
    def loaded(config: str, **environ: str) -> Project:
        (tmp_path / "tapdock.yaml").write_text(f"version: 1\nsources:\n  s:\n    image: x\n    config: {{{config}}}\n")
        environ = {"PATH": os.environ["PATH"], **environ}
        return load(tmp_path / "tapdock.yaml", environment=None, environ=environ)

    return loaded


def program(folder: Path, text: str, name: str = "secret") -> str:
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{text}\n")
    file.chmod(0o700)
    return f"./{name}"


@pytest.mark.parametrize(
    ("content", "value"),
    [("t0ken-word\n", "t0ken-word"), ("t0ken-word\r\n", "t0ken-word"), ("a\n\n", "a\n"), (" a ", " a "), ("", "")],
)
def test_a_file_without_the_line_end_at_its_end(project, tmp_path, content, value):
    (tmp_path / "token").write_bytes(content.encode())
    config = project('a: "${file:token}", b: "Bearer ${file:./token}"').sources["s"].config
    assert (config["a"].reveal(), config["b"].reveal()) == (value, f"Bearer {value}")


def test_a_program_gets_words_and_variables_and_runs_once(project, tmp_path):
    name = program(
        tmp_path,
        "import os, sys; open('calls', 'a').write('x'); sys.stdin.read(); print(sys.argv[1:], os.environ['KEY'])",
    )
    reference = f'${{exec:{name} one "two $HOME"}}'
    config = project(f"a: '{reference}', b: '-{reference}'", KEY="k").sources["s"].config
    assert not (tmp_path / "calls").exists()
    assert config["a"].reveal() == "['one', 'two $HOME'] k"
    assert config["b"].reveal() == "-['one', 'two $HOME'] k"
    assert (tmp_path / "calls").read_text() == "x"


def test_nothing_is_read_to_show_or_redact_and_everything_is_hidden(project, tmp_path):
    name = program(tmp_path, "open('calls', 'a').write('x'); print('t0ken-word')")
    read = project(f'a: "${{exec:{name}}}", b: "${{file:none}}", c: "x-${{SOURCE}}-${{file:none}}"')
    config = read.sources["s"].config
    assert masked(config, None) == dict.fromkeys("abc", "[secret]")
    assert config["a"].variables == (f"exec:{name}",)
    assert not set(project_secrets(read)) - {""}
    assert "t0ken" not in repr(config["a"]) + str(read.references)
    assert not (tmp_path / "calls").exists()


def test_a_secret_is_redacted_in_every_form_as_soon_as_it_is_read(project, tmp_path):
    secret = 'pa"ss/wörd+1\n}\nsecond-line=='
    (tmp_path / "token").write_text(secret + "\n")
    read = project('a: "${file:token}"')
    redactor = Redactor()
    assert read.references
    read.references.listen(redactor)
    read.sources["s"].config["a"].reveal()
    encoded = [base64.b64encode(f"{'x' * at}{secret}".encode()).decode() for at in range(3)]
    for text in (
        secret.splitlines()[0],
        "second-line==",
        quote(secret.splitlines()[0]),
        *encoded,
        'pa\\"ss/w\\u00f6rd+1',
    ):
        assert "[secret]" in redactor(f"said {text} there"), text
    assert "second-line" not in redactor("second-line==")
    assert redactor("a } b") == "a } b"
    late = Redactor()
    read.references.listen(late)
    assert late("second-line==") == "[secret]"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import sys; print('t0ken-word'); sys.exit('no such key; t0ken-word')",
            r"exited with 1: no such key; \[secret\]",
        ),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("pass", "printed nothing"),
        ("import os; os.write(1, b'\\xff')", r"is not UTF-8 text \(byte 0\)"),
        ("print('a\\0b')", "contains a NUL character"),
        ("print('x' * 2**20, flush=True)\nwhile True: pass", "printed more than 1 MiB"),
    ],
)
def test_a_program_that_fails_is_named_with_its_place_and_never_its_value(project, tmp_path, code, message):
    name = program(tmp_path, code)
    value = project(f'a: "${{exec:{name} t0ken}}"').sources["s"].config["a"]
    with pytest.raises(
        UsageError, match=rf"^tapdock\.yaml:5: `sources\.s\.config\.a` needs the output of `\./secret`, which {message}"
    ) as raised:
        value.reveal()
    assert "t0ken-word" not in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.long
def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path):
    """The named pipe closes when no process is left that could write to it."""
    os.mkfifo(tmp_path / "held")
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "slow").write_text("exec 3>held\necho started >&3\nsleep 600 &\nwait\n")
    references = References(folder=tmp_path, environ={"PATH": os.environ["PATH"]}, seconds=1.0)
    with pytest.raises(UsageError, match=r"f:1: `a` needs the output of `sh`, which did not end within 1 s"):
        Reference("exec:sh slow", "f:1: `a`", references).read()
    os.set_blocking(reader, True)
    with open(reader, "rb") as held:
        assert held.read() == b"started\n"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${file:none}", "needs the file none, which cannot be read: No such file or directory"),
        ("${file:.}", "cannot be read: Is a directory"),
        ("${exec:./none x}", r"needs the output of `\./none`, which cannot be started: No such file"),
    ],
)
def test_what_is_missing_is_an_error_when_it_is_needed(project, value, message):
    config = project(f'a: "{value}"').sources["s"].config
    with pytest.raises(UsageError, match=message):
        config["a"].reveal()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${file:}", "names nothing"),
        ("${exec: }", "names nothing"),
        ("${exec:x ${A}}", "reference inside of a reference"),
        ('${exec:x \\"y}', "words cannot be split: No closing quotation"),
    ],
)
def test_a_reference_that_means_nothing_is_refused_at_once(project, value, message):
    with pytest.raises(UsageError, match=rf"tapdock\.yaml:5: `sources\.s\.config\.a` .*{message}"):
        project(f'a: "{value}"')


def test_a_value_elsewhere_is_read_with_the_file(project, tmp_path):
    (tmp_path / "name").write_text("shop:2\n")
    file = tmp_path / "tapdock.yaml"
    file.write_text("version: 1\nsources: {s: {image: 'x/${file:name}'}}\n")
    assert load(file, environment=None, environ={}).sources["s"].image == "x/shop:2"


def test_a_variable_may_be_called_file(project):
    assert project('a: "${file:-x}${exec}"', exec="y").sources["s"].config["a"].reveal() == "xy"
