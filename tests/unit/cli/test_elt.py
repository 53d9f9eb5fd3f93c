"""Tests `tapdock elt` and `el`, and the page with Meltano's words."""

import json
from pathlib import Path

import pytest

from support.orders import orders_of
from support.pages import Shell, page_steps

CONNECTORS = Path(__file__).parents[2] / "connectors"
PROJECT = """\
version: 1
sources: {tap-a: {image: x}}
targets: {target-b: {image: y}}
pipelines:
  nightly: {source: tap-a, target: target-b, state_id: old-id}
  eu: {source: tap-a, target: target-b, state_suffix: eu}
environments: {prod: {}}
"""


@pytest.fixture
def called(tapdock, folder, monkeypatch):
    """called(*words) -> the blocks and the options with which `run` is performed, and the result of the command."""
    (folder / "tapdock.yaml").write_text(PROJECT)

    def seen(*words, **variables):
        found = {}

        def performed(_session, blocks, options, **rest):
            found.update(blocks=blocks, options=options, **rest)
            return 0

        monkeypatch.setattr("tapdock.cli.run._perform", performed)
        return found, tapdock(*words, **variables)

    return seen


@pytest.mark.parametrize(
    ("words", "block"),
    [
        ((), ["tap-a", "target-b"]),
        (("--state-id", "default:tap-a-to-target-b"), ["tap-a", "target-b"]),
        (("--state-id", "old-id"), ["nightly"]),
        (("--job_id", "old-id"), ["nightly"]),
        (("--state-id", "default:tap-a-to-target-b:eu"), ["eu"]),
        (("--environment", "prod", "--state-id", "prod:tap-a-to-target-b"), ["tap-a", "target-b"]),
    ],
)
@pytest.mark.parametrize("command", ["elt", "el"])
def test_the_state_id_chooses_what_is_run(called, command, words, block):
    found, ended = called(command, "tap-a", "target-b", *words)
    assert ended.returncode == 0, ended.stderr
    assert found["blocks"] == block
    assert ("this run uses the state of the pair" in ended.stderr) == (not words)


def test_options_are_those_of_run(called):
    words = (
        "-s",
        "users",
        "-e",
        "users.email",
        "--full-refresh",
        "--limit",
        "5",
        "--no-state-update",
        "--dry",
        "--json",
    )
    found, ended = called("elt", "tap-a", "target-b", *words, "--transform=skip")
    assert ended.returncode == 0, ended.stderr
    options = found["options"]
    assert options.select == ("users", "!users.email")
    assert (options.full_refresh, options.limit, options.save_state, found["dry_run"]) == (True, 5, False, True)
    for part, is_part in (("extractor-config", "config"), ("loader-config", "config"), ("catalog", "catalog")):
        assert called("el", "tap-a", "target-b", "--dump", part)[0]["dump"] == is_part


def test_variables_of_run_and_of_meltano_apply(called):
    found, _ = called("elt", "tap-a", "target-b", TAPDOCK_RUN_NO_STATE_UPDATE="1", MELTANO_STATE_ID="old-id")
    assert (found["blocks"], found["options"].save_state) == (["nightly"], False)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ("tap-a", "target-b", "--transform", "run"),
            "`--transform run` has no meaning here",
            "SOURCE TARGET dbt:build",
        ),
        (("tap-a", "target-b", "--force"), "`--force` is refused", "tapdock state unlock NAME"),
        (("tap-a", "target-b", "--state-id", "new"), "has the state `new`", "state_id: new}"),
        (("tap-b", "target-b"), "there is no source `tap-b`", "did you mean `tap-a`"),
        (("nightly", "target-b"), "there is no source `nightly`", "sources: tap-a"),
        (("tap-a", "tap-a"), "there is no target `tap-a`", "targets: target-b"),
    ],
)
def test_what_has_no_meaning_is_refused_with_a_hint(called, words, message, hint):
    found, ended = called("elt", *words)
    assert (found, ended.returncode) == ({}, 2)
    assert message in ended.stderr
    assert hint in ended.stderr


@pytest.mark.long
def test_a_pair_is_run_and_resumes(tapdock, tmp_path):
    """Without `--state-id`, Meltano would start from scratch."""
    project = orders_of(tmp_path, tapdock)
    run = project("tap", "target", "schema users", "until users 3", "state")
    assert json.loads(run("elt", "shop", "lake", "--json").stdout)["streams"][1]["records"] == 3
    ended = run("elt", "shop", "lake", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["streams"][1]["records"] == 0


@pytest.mark.long
def test_the_commands_of_every_day(tmp_path):
    """Programs stand in for the plugins of the page."""
    shell = Shell(
        tmp_path, names={"start_date 2026-01-01": "untimed true", "start_date": "untimed"}, TAPDOCK_ENGINE="local"
    )
    steps = ["schema users", "until users 3", "state"]
    tap = {
        "image": str(CONNECTORS / "tap.py"),
        "kind": "singer",
        "config": {"token": "t", "streams": ["users"], "steps": steps},
    }
    target = {"image": str(CONNECTORS / "target.py"), "kind": "singer", "config": {"path": str(tmp_path / "rows")}}
    pipeline = {"source": "tap-shop", "target": "target-lake", "state_id": "nightly-shop"}
    project = {
        "version": 1,
        "sources": {"tap-shop": tap},
        "targets": {"target-lake": target},
        "pipelines": {"nightly": pipeline},
        "environments": {"prod": {}},
    }
    (tmp_path / "tapdock.yaml").write_text(json.dumps(project))
    ended = shell.follow(page_steps("meltano-dictionary.md"))
    printed = {one.step.command: one.output for one in ended}
    assert printed["tapdock config get tap-shop untimed"].strip() == "true"
    assert '"extractor' not in printed["tapdock el tap-shop target-lake --select users --dump extractor-config"]
    assert "users" in printed["tapdock state get default:tap-shop-to-target-lake"]
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert {row["record"]["id"] for row in rows if isinstance(row, dict)} == {1, 2, 3}


def test_a_setting_can_be_given_by_a_variable(tapdock, folder):
    """The page names the variable for the setting of a connector whose name has a dash."""
    (folder / "tapdock.yaml").write_text(PROJECT.replace("tap-a: {", "tap-a: {config: {start_date: x}, "))
    ended = tapdock("config", "show", "tap-a", TAPDOCK_SOURCES__TAP_A__CONFIG__START_DATE="2026-01-01")
    found = next(line for line in ended.stdout.splitlines() if "config.start_date" in line)
    assert found.split()[-1] == "TAPDOCK_SOURCES__TAP_A__CONFIG__START_DATE"
