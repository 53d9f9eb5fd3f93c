"""Tests `state edit`, `state merge` and `state list PATTERN`."""

import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
import typer

from tapdock.state.backends.base import holder_here
from tapdock.state.store import lease, read

pytestmark = pytest.mark.long

KEY = "default:faker-to-lake"
BIG = "12345678901234567890123"
SINGER = '{"bookmarks":{"users":{"id":%s}}}'.replace("%s", BIG)
STREAM = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"%s"},"stream_state":{"n":%s}}}'


@pytest.fixture
def editor(folder, monkeypatch):
    """Set an editor, which is a program in Python: `text` is the text, and `path` the file."""

    def be(body: str) -> None:
        program = folder / "editor.py"
        program.write_text(
            "import sys, os, subprocess\nfrom pathlib import Path\n"
            f"path = Path(sys.argv[1])\ntext = path.read_text()\n{body}\n"
        )
        monkeypatch.setenv("VISUAL", f"{sys.executable} '{program}'")

    return be


def files(folder: Path) -> list[Path]:
    found = folder / ".tapdock" / "edit"
    return list(found.iterdir()) if found.exists() else []


def test_a_changed_text_is_saved_and_keeps_every_digit(tapdock, folder, backend, editor):
    tapdock("state", "set", "demo", stdin=SINGER)
    with lease(backend, KEY, run_id="r", clock=lambda: 0.0) as held:
        held.save(SINGER, dialect="singer", generations={"users": 7}, names={"users": "u"}, places={"host": "d"})
    editor(f"assert path.stat().st_mode & 0o777 == 0o600\npath.write_text(text.replace('{BIG}', '{BIG}4'))")
    ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, ended.stderr) == (0, f"state {KEY} is set (singer)\n")
    assert tapdock("state", "get", "demo").stdout == SINGER.replace(BIG, f"{BIG}4") + "\n"
    kept = read(backend, KEY)
    assert (kept.generations, kept.names, kept.places) == ({"users": 7}, {"users": "u"}, {"host": "d"})
    assert files(folder) == []


@pytest.mark.parametrize("body", ["", "path.write_text(text)", "path.write_text(text.replace(' ', ''))"])
def test_an_unchanged_text_changes_nothing(tapdock, folder, backend, editor, body):
    tapdock("state", "set", "demo", stdin=SINGER)
    before = backend.get(KEY)
    editor(body)
    ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, ended.stderr) == (0, f"state {KEY} is unchanged\n")
    assert (backend.get(KEY), files(folder)) == (before, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"bookmarks":', "the state is not JSON"),
        ("[]", "but the state `default:faker-to-lake` was a Singer state until now"),
        ('{"singer_state":{}}', "in the format of Meltano"),
        ('{"bookmarks":{"users":{"id":NaN}}}', "the state is not JSON"),
        ("", "the state is not JSON"),
    ],
)
def test_a_text_that_no_run_could_use_is_refused_and_kept(tapdock, folder, backend, editor, text, message):
    tapdock("state", "set", "demo", stdin=SINGER)
    before = backend.get(KEY)
    editor(f"path.write_text({text!r})")
    ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, message in ended.stderr, backend.get(KEY)) == (2, True, before)
    (file,) = files(folder)
    assert file.read_text() == text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"your text is kept: `tapdock state set {KEY} {file}` saves it" in ended.stderr


def test_in_a_terminal_an_invalid_text_can_be_edited_again(tapdock, folder, editor, monkeypatch):
    tapdock("state", "set", "demo", stdin=SINGER)
    editor("path.write_text(text + '}' if '}}}}' not in text.replace('\\n', '').replace(' ', '') else text[:-1])")
    monkeypatch.setattr("tapdock.cli.state_edit._in_terminal", lambda: True)
    answers = iter([True])
    monkeypatch.setattr("typer.confirm", lambda *_, **__: next(answers))
    ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, "is not JSON" in ended.stderr) == (0, True)
    assert f"state {KEY} is unchanged" in ended.stderr


def test_an_editor_that_fails_changes_nothing(tapdock, folder, backend, editor, monkeypatch):
    tapdock("state", "set", "demo", stdin=SINGER)
    before = backend.get(KEY)
    editor("path.write_text('{}')\nsys.exit(3)")
    ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, "ended with exit code 3" in ended.stderr, backend.get(KEY)) == (2, True, before)
    for name, message in (("/no/such/editor", "cannot be started"), ("'", "EDITOR is `'`"), ("", "neither an editor")):
        ended = tapdock("state", "edit", "demo", VISUAL=name, EDITOR="")
        assert (ended.returncode, message in ended.stderr, backend.get(KEY)) == (2, True, before), name


def test_a_state_that_a_run_has_changed_meanwhile_is_not_overwritten(tapdock, folder, backend, editor):
    tapdock("state", "set", "demo", stdin=SINGER)
    newer = SINGER.replace(BIG, "2")
    command = f"[{sys.executable!r}, '-m', 'tapdock', 'state', 'set', 'demo']"
    editor(
        f"subprocess.run({command}, input={newer!r}, text=True, check=True)\npath.write_text(text.replace('3', '4'))"
    )
    ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, "was changed by state-set at" in ended.stderr) == (6, True), ended.stderr
    assert tapdock("state", "get", "demo").stdout == newer + "\n"
    assert len(files(folder)) == 1


def test_a_state_in_use_is_not_saved_and_the_text_is_kept(tapdock, folder, backend, editor):
    tapdock("state", "set", "demo", stdin=SINGER)
    editor(f"path.write_text(text.replace('{BIG}', '1'))")
    with backend.acquire(KEY, holder_here("r7", since=0.0)):
        ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, "your text is kept" in ended.stderr) == (7, True)
    assert tapdock("state", "get", "demo").stdout == SINGER + "\n"
    assert tapdock("state", "set", "demo", str(files(folder)[0])).returncode == 0


def test_a_text_is_kept_if_the_user_does_not_edit_it_again(tapdock, folder, editor, monkeypatch):
    def ctrl_c(*_: object, **__: object) -> bool:
        raise typer.Abort

    tapdock("state", "set", "demo", stdin=SINGER)
    editor("path.write_text('{')")
    monkeypatch.setattr("tapdock.cli.state_edit._in_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", ctrl_c)
    ended = tapdock("state", "edit", "demo")
    assert (ended.returncode, f"`tapdock state set {KEY} {files(folder)[0]}` saves it" in ended.stderr) == (130, True)


@pytest.mark.parametrize("body", ["path.write_text('mine')", ""], ids=["changed", "unchanged"])
def test_a_signal_while_the_editor_is_open(tapdock, folder, editor, body):
    tapdock("state", "set", "demo", stdin=SINGER)
    editor(f"import signal\n{body}\nos.kill({os.getpid()}, signal.SIGTERM)\nsignal.pause()")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a handler that is missing ends no tests
    try:
        ended = tapdock("state", "edit", "demo")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.returncode == 143
    assert ("your text is kept" in ended.stderr, len(files(folder))) == (bool(body), bool(body))


# --- merge -----------------------------------------------------------------------------------------------------------


def merged(tapdock, into: str, other: str, *words: str) -> tuple[int, str, str]:
    """Return the exit code of a merge of `other` into `into`, its messages, and the state then."""
    for name, text in (("demo", into), ("old-to-lake", other)):
        assert tapdock("state", "set", name, "--any-name", stdin=text).returncode == 0
    ended = tapdock("state", "merge", "old-to-lake", "demo", *words)
    assert tapdock("state", "get", "old-to-lake").stdout == other + "\n"
    return ended.returncode, ended.stderr, tapdock("state", "get", "demo").stdout.strip()


def test_streams_of_singer_are_merged(tapdock):
    into = '{"bookmarks":{"a":{"x":1.50,"y":1},"b":{"x":2}},"currently_syncing":"b"}'
    other = '{"bookmarks":{"a":{"x":3},"c":{"x":%s}}}'.replace("%s", BIG)
    code, messages, _ = merged(tapdock, into, other)
    assert (code, "add `--yes`" in messages) == (2, True), "stream a would be replaced"
    code, messages, text = merged(tapdock, into, other, "--yes")
    assert (code, text) == (0, '{"bookmarks":{"a":{"x":3},"b":{"x":2},"c":{"x":%s}}}'.replace("%s", BIG))
    assert messages.endswith(
        "merged 2 streams of state default:old-to-lake into default:faker-to-lake, 1 of them replaced\n"
    )


def test_streams_of_airbyte_are_merged(tapdock):
    into, other = (
        f"[{','.join(STREAM % each for each in pairs)}]"
        for pairs in ([("a", 1), ("b", "2.0")], [("b", BIG), ("c", "3.10")])
    )
    code, _, text = merged(tapdock, into, other, "--yes")
    assert (code, text) == (0, f"[{STREAM % ('a', 1)},{STREAM % ('b', BIG)},{STREAM % ('c', '3.10')}]")


@pytest.mark.parametrize(
    ("into", "other", "message"),
    [
        (SINGER, f"[{STREAM % ('a', 1)}]", "only states of one protocol can be merged"),
        (f"[{STREAM % ('a', 1)}]", '[{"type":"GLOBAL","global":{"shared_state":{"lsn":1}}}]', "share a position"),
        ('[{"type":"LEGACY","data":{"a":1}}]', f"[{STREAM % ('a', 1)}]", "share a position"),
    ],
)
def test_what_cannot_be_merged_is_refused(tapdock, into, other, message):
    code, messages, text = merged(tapdock, into, other, "--yes")
    assert (code, message in messages, text) == (2, True, into)


def test_a_merge_needs_two_states(tapdock):
    tapdock("state", "set", "demo", stdin=SINGER)
    assert tapdock("state", "merge", "demo", "demo").returncode == 2
    assert tapdock("state", "merge", "prod:faker-to-lake", "demo").returncode == 6


# --- list ------------------------------------------------------------------------------------------------------------


def test_only_states_that_match_are_listed(tapdock, backend):
    for name in ("demo", "prod:faker-to-lake", "old-to-lake"):
        tapdock("state", "set", name, "--any-name", stdin=SINGER)
    backend.put("prod:broken-to-lake", b"{", expected=None)

    def listed(pattern: str) -> list[str]:
        ended = tapdock("state", "list", pattern, "--json")
        assert ("broken" in ended.stderr) == (pattern == "prod:*")
        assert ("matches" in ended.stderr) == (ended.stdout == "[]\n")
        return [each["key"] for each in json.loads(ended.stdout)]

    assert listed("prod:*") == ["prod:faker-to-lake"]
    assert listed("faker-*") == [KEY, "prod:faker-to-lake"]
    assert listed("demo") == [KEY]
    assert listed("nope-*") == []
