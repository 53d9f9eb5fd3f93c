"""Tests `tapdock remove`: what it refuses, what it removes, and that it keeps states."""

import pytest

from support.registries import PLUGIN
from tapdock.connectors.registry import meltanohub
from tapdock.connectors.registry.write import written
from tapdock.project.load import load
from tapdock.state import store

PROJECT = """\
version: 1
# what is read
sources:
  shop: {image: x}
  old:
    image: y # pinned by Ann
    # waits for a new key
    config: {n: 1}
  # the next one
  next: {image: z}
targets: {lake: {image: w}}
pipelines:
  demo: {source: shop, target: lake}
environments:
  prod:
    sources: {old: {config: {n: 2}}}
    pipelines: {late: {source: next, target: lake}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    return tmp_path


def text(folder) -> str:
    return (folder / "tapdock.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shop", "tapdock.yaml: `shop` is used by pipelines.demo"),
        ("lake", "`lake` is used by pipelines.demo, environments.prod.pipelines.late"),
        ("next", "`next` is used by environments.prod.pipelines.late"),
        ("od", "tapdock.yaml has no `od`"),
    ],
)
def test_what_is_refused(tapdock, folder, name, message):
    ended = tapdock("remove", name, "--yes")
    assert ended.returncode == 2
    assert message in ended.stderr
    assert text(folder) == PROJECT


def test_an_unknown_name_has_a_suggestion(tapdock, folder):
    assert "hint: did you mean `old`?" in tapdock("remove", "od", "--yes").stderr


def test_what_another_connector_extends_is_kept(tapdock, folder):
    (folder / "tapdock.yaml").write_text("version: 1\nsources: {a: {image: x}, b: {extends: a}}\n")
    assert "`a` is used by sources.b" in tapdock("remove", "a", "--yes").stderr


def test_what_a_job_or_a_hook_uses_is_kept_and_a_job_can_be_removed(tapdock, folder):
    (folder / "tapdock.yaml").write_text(
        "version: 1\nsources: {s: {image: x}}\ntargets: {t: {image: y}}\n"
        "tasks: {a: {image: z, commands: {go: x}}, b: {image: z, commands: {go: x}}}\n"
        "pipelines: {p: {source: s, target: t, after: {failure: b:go}}}\n"
        "jobs:\n  i: [p]\n  j: {steps: [{parallel: [[p, a:go], s t]}, i]}\n"
    )
    users = {"p": "jobs.i, jobs.j", "a": "jobs.j", "b": "pipelines.p", "i": "jobs.j", "s": "pipelines.p, jobs.j"}
    for name, used_by in users.items():
        ended = tapdock("remove", name, "--yes")
        assert (ended.returncode, f"`{name}` is used by {used_by}\n" in ended.stderr) == (2, True), ended.stderr
    assert "removed jobs.j" in tapdock("remove", "j", "--yes").stderr
    assert "removed tasks.a" in tapdock("remove", "a", "--yes").stderr
    assert "removed jobs.i" in tapdock("remove", "i", "--yes").stderr


def test_what_an_included_file_uses_is_kept(tapdock, folder):
    content = "version: 1\ninclude: [more.yaml]\nsources: {a: {image: x}, c: {image: x}}\ntargets: {b: {image: y}}\n"
    (folder / "tapdock.yaml").write_text(content)
    (folder / "more.yaml").write_text("pipelines: {late: {source: a, target: b}}\nsources: {d: {image: z}}\n")
    ended = tapdock("remove", "a", "--yes")
    assert ended.returncode == 2
    assert "without the entry, the project cannot be loaded: more.yaml:1: `pipelines.late.source`" in ended.stderr
    assert text(folder) == content
    ended = tapdock("remove", "d", "--yes")
    assert ended.returncode == 2
    assert "more.yaml:2: `sources.d` is in another file" in ended.stderr
    assert tapdock("remove", "c", "--yes").returncode == 0


def test_a_project_that_cannot_be_loaded_can_be_corrected(tapdock, folder):
    (folder / "tapdock.yaml").write_text("version: 1\nsources: {a: {imag: x}, b: {image: x}}\n")
    assert tapdock("remove", "a", "--yes").returncode == 0
    assert text(folder) == "version: 1\nsources: {b: {image: x}}\n"


def test_it_asks_first(tapdock, folder):
    (folder / "tapdock.yaml").write_text("version: 1\nsources: {a: {image: x}}\n")
    ended = tapdock("remove", "a")
    assert ended.returncode == 2
    assert "hint: add `--yes`" in ended.stderr
    assert "a: {image: x}" in text(folder)


def test_comments_of_the_entry_are_listed_and_need_a_yes(tapdock, folder):
    ended = tapdock("remove", "old")
    assert ended.returncode == 2
    assert ended.stderr == (
        "tapdock.yaml:6: this comment is removed too: # pinned by Ann\n"
        "tapdock.yaml:7: this comment is removed too: # waits for a new key\n"
        "error: the entry of `old` has 2 comments, which would be lost\n"
        "hint: `tapdock remove old --yes` removes it with them\n"
    )
    assert text(folder) == PROJECT


def test_the_entry_is_removed_in_all_environments_and_nothing_else(tapdock, folder):
    ended = tapdock("remove", "old", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert "removed sources.old and environments.prod.sources.old from tapdock.yaml" in ended.stderr
    assert text(folder) == PROJECT.replace(
        "  old:\n    image: y # pinned by Ann\n    # waits for a new key\n    config: {n: 1}\n", ""
    ).replace("{old: {config: {n: 2}}}", "{}")
    assert "old" not in load(folder / "tapdock.yaml", environment="prod", environ={}).sources


def test_states_are_kept_and_named(tapdock, folder, backend):
    for key in ("default:shop-to-lake", "prod:shop-to-lake:eu", "default:shopping-to-lake"):
        with store.replacing(backend, key, run_id="test", clock=lambda: 1.0) as held:
            held.save("{}", dialect="singer")
    ended = tapdock("remove", "demo", "--yes")
    assert ended.returncode == 0, ended.stderr
    ended = tapdock("remove", "shop", "--yes")
    kept = [line for line in ended.stderr.splitlines() if line.startswith("kept")]
    assert kept == [
        "kept the state default:shop-to-lake: `tapdock state clear default:shop-to-lake` removes it",
        "kept the state prod:shop-to-lake:eu: `tapdock state clear prod:shop-to-lake:eu` removes it",
    ]
    assert tapdock("state", "clear", "default:shop-to-lake", "--yes").returncode == 0


def test_what_was_added_can_be_removed(tapdock, folder):
    found = meltanohub.found(PLUGIN, variant="one")
    added = written(PROJECT, found, role="source", name="new", folder=folder, label="tapdock.yaml")
    (folder / "tapdock.yaml").write_text(added.text)
    assert tapdock("remove", "new").returncode == 2
    assert tapdock("remove", "new", "--yes").returncode == 0
    assert text(folder) == PROJECT


@pytest.mark.parametrize(("own", "other"), [("environments: {prod: {%s}}", "%s"), ("%s", "environments: {prod: {%s}}")])
def test_parts_of_an_entry_in_two_files_stay_together(tapdock, folder, own, other):
    content = (
        "version: 1\ninclude: [more/*.yaml]\n" + own % 'sources: {shop: {image: x, select: ["!users.email"]}}' + "\n"
    )
    (folder / "tapdock.yaml").write_text(content)
    (folder / "more").mkdir()
    (folder / "more" / "a.yaml").write_text(other % "sources: {shop: {image: x}}" + "\n")
    ended = tapdock("remove", "shop", "--yes")
    assert (ended.returncode, text(folder)) == (2, content)
    assert "more/a.yaml:1: `" in ended.stderr
    assert "sources.shop` is in another file" in ended.stderr


def test_the_state_with_an_id_of_its_own_is_named(tapdock, folder, backend):
    (folder / "tapdock.yaml").write_text(PROJECT.replace("demo: {", "demo: {state_id: nightly, "))
    for key in ("nightly", "default:shop-to-lake"):
        with store.replacing(backend, key, run_id="test", clock=lambda: 1.0) as held:
            held.save("{}", dialect="singer")
    ended = tapdock("remove", "demo", "--yes")
    kept = [line for line in ended.stderr.splitlines() if line.startswith("kept")]
    assert kept == ["kept the state nightly: `tapdock state clear nightly` removes it"]


def test_the_comment_above_an_entry_goes_with_it(tapdock, folder):
    assert tapdock("remove", "late", "--yes").returncode == 0
    ended = tapdock("remove", "next", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert "tapdock.yaml:9: this comment is removed too: # the next one" in ended.stderr
    assert "# the next one" not in text(folder)
    assert "# what is read\nsources:\n" in text(folder)


def test_equal_comments_are_named_by_the_lines_that_go(tapdock, tmp_path):
    text = "version: 1\nsources:\n  a:\n    image: x # (text)\n  b:\n    image: x # (text)\ntargets: {}\n"
    (tmp_path / "tapdock.yaml").write_text(text)
    ended = tapdock("--project", str(tmp_path), "remove", "b", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert "tapdock.yaml:6: this comment is removed too: # (text)" in ended.stderr
    assert "tapdock.yaml:4:" not in ended.stderr
