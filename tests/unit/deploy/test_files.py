"""What `tapdock deploy` writes: checked by the programs that read it, where they are installed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.programs import require_valid_workflows
from tapdock.cli import main
from tapdock.deploy.github import Checkout, workflows
from tapdock.project.steps import Schedule

PROJECT = """\
version: 1
sources:
  shop: {image: x, config: {token: "${SHOP_TOKEN}", region: "${REGION}"}}
  other: {image: x, config: {token: "${OTHER_TOKEN}"}}
targets: {lake: {image: y, config: {password: "${LAKE_PASSWORD:-none}"}}}
vars: {REGION: eu}
pipelines:
  demo: {source: shop, target: lake, notify: {url: "${SLACK_URL}"}}
  rest: {source: other, target: lake}
schedules:
  nightly: {run: demo, cron: "0 3 * * *", timezone: Europe/Berlin, environment: prod, jitter: 5m, catch_up: true}
  weekly: {run: rest, cron: "30 4 * * MON"}
  by-hand: {run: rest, cron: "@manual"}
  off: {run: rest, cron: "@daily", enabled: false}
environments: {prod: {}}
"""
SECRETS = {name: f"s3cret-of-{name.lower()}" for name in ("SHOP_TOKEN", "OTHER_TOKEN", "LAKE_PASSWORD")}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A project in a folder whose name has to be quoted, on a machine in UTC."""
    made = tmp_path / "50% a b"
    made.mkdir()
    (made / "tapdock.yaml").write_text(PROJECT)
    for name, value in {**SECRETS, "SLACK_URL": "https://hooks.example.com/s3cret", "TZ": "UTC"}.items():
        monkeypatch.setenv(name, value)
    return made


def written(folder: Path, capsys, *words: str) -> dict[str, str]:
    assert main(["--project", str(folder), "deploy", *words]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert not [text for path in paths for text in ("s3cret", *SECRETS.values()) if text in path.read_text()]
    return {path.name: path.read_text() for path in paths}


def checked_by_cron(file: Path) -> str:
    """Return what Debian's `crontab` finds wrong. It checks files with `-T`, and an older one with `-n`."""
    program = shutil.which("crontab")
    for option in ("-T", "-n") if program else ():
        done = subprocess.run([program, option, file], capture_output=True, text=True)
        if "invalid option" not in done.stderr:
            return done.stderr if done.returncode else ""
    return ""


def test_a_crontab_of_a_machine_in_utc(folder, capsys):
    """A schedule in a zone with summer time has two lines, of which the shell runs one."""
    (text,) = written(folder, capsys, "cron").values()
    lines = [line for line in text.splitlines() if re.match(r"\d", line)]
    assert [" ".join(line.split()[:5]) for line in lines] == ["0 2 * * *", "0 1 * * *", "30 4 * * 1"]
    assert "by-hand" not in text
    assert " off" not in text
    command = lines[0].split(maxsplit=5)[5].replace(r"\%", "%")
    assert subprocess.run(["sh", "-n", "-c", command]).returncode == 0
    words = shlex.split(command)
    assert words[-4:] == ["schedule", "run", "nightly", "--jitter"]
    assert str(folder / "tapdock.yaml") in words
    guards = [line.split(maxsplit=5)[5].replace(r"\%", "%").partition(" && ")[0] for line in lines[:2]]
    assert sorted(subprocess.run(["sh", "-c", guard]).returncode for guard in guards) == [0, 1]
    assert not re.search(r"(?<!\\)%", "".join(lines))
    assert checked_by_cron(folder / "deploy" / "crontab") == ""


def test_a_crontab_of_a_machine_in_the_zone(folder, capsys, monkeypatch):
    """The other schedule is in UTC, which this cron cannot do."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert main(["--project", str(folder), "deploy", "cron"]) == 2
    assert (
        "`weekly` (`30 4 * * MON`) cannot be written for cron: this machine is in Europe/Berlin"
        in capsys.readouterr().err
    )
    (folder / "tapdock.yaml").write_text(PROJECT.replace('MON"', 'MON", timezone: Europe/Berlin'))
    (text,) = written(folder, capsys, "cron").values()
    assert re.findall(r"^\d\S* \S+ \S+ \S+ \S+(?= /)", text, re.MULTILINE) == ["0 3 * * *", "30 4 * * 1"]


def test_a_crontab_for_cronie(folder, capsys):
    (text,) = written(folder, capsys, "cron", "--cron-tz").values()
    assert re.findall(r"^CRON_TZ=(.*)\n(\S+ \S+ \S+ \S+ \S+)", text, re.MULTILINE) == [
        ("Europe/Berlin", "0 3 * * *"),
        ("UTC", "30 4 * * 1"),
    ]


def test_units_of_systemd(folder, capsys):
    found = written(folder, capsys, "systemd", "--output", str(folder / "units"))
    assert sorted(found) == [
        f"tapdock-{name}.{kind}" for name in ("nightly", "weekly") for kind in ("service", "timer")
    ]
    assert "OnCalendar=*-*-* 03:00:00 Europe/Berlin\nRandomizedDelaySec=300s\n" in found["tapdock-nightly.timer"]
    assert "Persistent=yes" in found["tapdock-nightly.timer"]
    assert "Persistent=no" in found["tapdock-weekly.timer"]
    assert "SuccessExitStatus=7\n" in found["tapdock-weekly.service"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_units(folder, capsys):
    written(folder, capsys, "systemd")
    units = sorted((folder / "deploy").glob("tapdock-*"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "tapdock-" in line]
    assert (done.returncode, said) == (0, [])
    rated = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=yes",
            "--threshold=45",
            folder / "deploy" / "tapdock-nightly.service",
        ],
        capture_output=True,
        text=True,
    )
    assert rated.returncode == 0, rated.stdout[-500:]


def test_workflows_of_github(folder, capsys):
    (folder.parent / ".git").mkdir()
    found = written(folder, capsys, "github-actions")
    assert sorted(found) == ["tapdock-nightly.yml", "tapdock-weekly.yml"]
    assert (folder.parent / ".github" / "workflows" / "tapdock-nightly.yml").exists()
    nightly = yaml.safe_load(found["tapdock-nightly.yml"])
    assert [each["cron"] for each in nightly[True]["schedule"]] == ["0 1 * * *", "0 2 * * *"]
    (step,) = [step for step in nightly["jobs"]["run"]["steps"] if "schedule run" in step.get("run", "")]
    assert step["env"] == {
        name: f"${{{{ secrets.{name} }}}}" for name in ("LAKE_PASSWORD", "SHOP_TOKEN", "SLACK_URL", "TAPDOCK_STATE_KEY")
    }
    weekly = yaml.safe_load(found["tapdock-weekly.yml"])
    assert weekly[True]["schedule"] == [{"cron": "30 4 * * 1"}]
    for text in found.values():
        assert re.findall(r"uses: \S+@(?![0-9a-f]{40} # v\d)", text) == []


def test_the_workflow_runs_only_the_line_of_the_time_of_the_year(folder, capsys, tmp_path):
    """The script of its first step, by the shell, in winter and in summer."""
    (folder.parent / ".git").mkdir()
    found = written(folder, capsys, "github-actions")
    script = yaml.safe_load(found["tapdock-nightly.yml"])["jobs"]["run"]["steps"][0]["run"]
    bin_ = tmp_path / "bin"
    bin_.mkdir()

    def said(line: str, offset: str) -> str:
        (bin_ / "date").write_text(f"#!/bin/sh\necho {offset}\n")
        (bin_ / "date").chmod(0o755)
        output = tmp_path / "output"
        output.write_text("")
        environ = {"LINE": line, "GITHUB_OUTPUT": str(output), "PATH": f"{bin_}:/usr/bin:/bin"}
        subprocess.run(["bash", "-e", "-c", script], env=environ, check=True)
        return output.read_text()

    assert [said("0 1 * * *", offset) for offset in ("+0100", "+0200")] == ["", "is_now=yes\n"]
    assert [said("0 2 * * *", offset) for offset in ("+0100", "+0200")] == ["is_now=yes\n", ""]
    assert said("", "+0100") == "is_now=yes\n"


def test_actionlint_finds_nothing(folder, capsys):
    written(folder, capsys, "github-actions")
    files = list((folder / ".github" / "workflows").glob("*.yml"))
    assert files
    require_valid_workflows(files, folder)


def test_the_actions_are_those_of_this_repository():
    from tapdock.deploy import github

    used = [
        value for name, value in vars(github).items() if isinstance(value, str) and re.match(r"actions/\S+@", value)
    ]
    known = "".join(path.read_text() for path in (Path(__file__).parents[3] / ".github" / "workflows").iterdir())
    assert used
    assert [each for each in used if each not in known] == []


@pytest.mark.parametrize(
    ("change", "command", "message"),
    [
        (
            ("0 3 * * *", "0 3 LW * *"),
            "systemd",
            "`nightly` (`0 3 LW * *`) cannot be written for systemd: it has no `LW`",
        ),
        (("0 3 * * *", "0 1 1 * *"), "github-actions", "in UTC it would be on another day of the month"),
        (('run: rest, cron: "30', 'run: demo, environment: prod, cron: "30'), "github-actions", "both run `demo`"),
        (("nightly:", "nightly: {enabled: false, run: rest, cron: '@daily'}\n  x:"), "cron", ""),
    ],
)
def test_what_cannot_be_written(folder, capsys, change, command, message):
    (folder / "tapdock.yaml").write_text(PROJECT.replace(*change))
    code = main(["--project", str(folder), "deploy", command])
    assert code == (2 if message else 0)
    assert message in capsys.readouterr().err
    assert bool(message) != (folder / "deploy").exists()


def test_a_file_of_a_person_is_not_replaced(folder, capsys):
    (folder / "deploy").mkdir()
    (folder / "deploy" / "crontab").write_text("0 0 * * * backup\n")
    assert main(["--project", str(folder), "deploy", "cron"]) == 2
    assert "was not written by tapdock" in capsys.readouterr().err
    assert (folder / "deploy" / "crontab").read_text() == "0 0 * * * backup\n"


@pytest.mark.long
def test_the_command_of_a_crontab_finds_its_schedule(folder, capsys):
    """It is run as cron does it: by a shell, with few variables. There is no image, so the run fails at that."""
    (text,) = written(folder, capsys, "cron").values()
    line = next(line for line in text.splitlines() if line.endswith("run weekly"))
    command = line.split(maxsplit=5)[5].replace(r"\%", "%")
    program = shlex.join([sys.executable, "-m", "tapdock"])
    words = re.sub(r"^\S+(?= --project)", lambda _: program, command)
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TAPDOCK_ENGINE": "local", **SECRETS}
    environ |= {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(["sh", "-c", words], env=environ, cwd="/", capture_output=True, text=True)
    assert done.returncode != 0
    assert "rest failed" in done.stdout + done.stderr


def test_a_workflow_names_a_project_file_with_another_name(folder, capsys):
    (folder / "tapdock.yaml").rename(folder / "eu.yaml")
    assert main(["--project", str(folder / "eu.yaml"), "deploy", "github-actions"]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert {yaml.safe_load(Path(path).read_text())["env"]["TAPDOCK_PROJECT"] for path in paths} == {"eu.yaml"}


def test_code_7_is_a_success_of_a_single_pipeline_only(folder, capsys):
    """A job may have run a part of its steps. For a task, 7 is a code of its program."""
    more = "tasks: {api: {engine: host, commands: {ask: {executable: curl}}}}\njobs: {both: [demo, rest]}\n"
    jobs = '  job: {run: both, cron: "@daily"}\n  task: {run: "api:ask", cron: "@daily"}\n'
    (folder / "tapdock.yaml").write_text(PROJECT.replace("environments:", f"{jobs}{more}environments:"))
    units = written(folder, capsys, "systemd")
    assert [name for name, text in units.items() if "SuccessExitStatus" in text] == [
        "tapdock-nightly.service",
        "tapdock-weekly.service",
    ]
    workflow = Checkout(project=".", requirement="tapdock")
    job = Schedule(name="job", run=("both",), cron="@daily")
    texts = [workflows(workflow, [(job, (), held)], now=0.0)["tapdock-job.yml"] for held in (True, False)]
    assert ["test $? -eq 7" in text for text in texts] == [True, False]


def test_files_of_a_schedule_that_is_disabled_are_named(folder, capsys):
    """A timer that stays would still start it: `schedule run` runs what is not enabled too."""
    written(folder, capsys, "systemd")
    (folder / "deploy" / "tapdock-mine.timer").write_text("[Timer]\n")
    (folder / "tapdock.yaml").write_text(PROJECT.replace("catch_up: true", "enabled: false"))
    assert main(["--project", str(folder), "deploy", "systemd"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "by an earlier call" in line]
    assert [line.split(" was written ")[0].rpartition("/")[2] for line in said] == [
        "tapdock-nightly.service",
        "tapdock-nightly.timer",
    ]


def test_projects_of_one_repository_keep_their_workflows(folder, capsys):
    (folder.parent / ".git").mkdir()
    other = folder.parent / "other"
    other.mkdir()
    (other / "tapdock.yaml").write_text(PROJECT.replace("weekly:", "other:"))
    written(folder, capsys, "github-actions")
    before = {path: path.read_text() for path in (folder.parent / ".github" / "workflows").iterdir()}
    assert main(["--project", str(other), "deploy", "github-actions"]) == 2
    assert "is of a schedule of another project" in capsys.readouterr().err
    (other / "tapdock.yaml").write_text(PROJECT.replace("weekly:", "other:").replace("nightly:", "early:"))
    assert main(["--project", str(other), "deploy", "github-actions"]) == 0
    assert "by an earlier call" not in capsys.readouterr().err
    assert {path: path.read_text() for path in before} == before


def test_rows_of_a_matrix_get_their_secrets(folder, capsys, monkeypatch):
    """Those of all rows: the rows are read together. A base that a source extends is a part of it."""
    monkeypatch.setenv("ACME_KEY", "s3cret-of-acme")
    (folder / "tapdock.yaml").write_text("""\
version: 1
sources:
  base: {image: x, config: {password: "${SHOP_TOKEN}"}}
  crm: {extends: base, config: {key: "${matrix.key}"}}
targets: {lake: {image: y}}
pipelines: {shop: {source: crm, target: lake, matrix: [{name: acme, key: "${ACME_KEY}"}]}}
jobs: {all: [shop]}
schedules:
  job: {run: all, cron: "@daily"}
  row: {run: "shop[acme]", cron: "@hourly"}
state_backend: {uri: "s3://bucket"}
""")
    for text in written(folder, capsys, "github-actions").values():
        assert "ACME_KEY: ${{ secrets.ACME_KEY }}" in text
        assert "SHOP_TOKEN: ${{ secrets.SHOP_TOKEN }}" in text
