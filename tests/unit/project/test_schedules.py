"""The entries under `schedules:` and `notify:`, and mistakes in them."""

import pytest

from tapdock.cli import _command
from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.schedules import FLAGS, REFUSED, VALUES

BASE = """\
version: 1
sources: {a: {image: x}}
targets: {b: {image: y}}
pipelines: {demo: {source: a, target: b}}
environments: {prod: {pipelines: {big: {source: a, target: b}}}}
"""


def project(tmp_path, text, environment=None, environ=None):
    file = tmp_path / "tapdock.yaml"
    file.write_text(BASE + text)
    return load(file, environment=environment, environ=environ or {})


def test_a_schedule(tmp_path):
    text = """\
schedules:
  nightly:
    run: demo
    cron: "0 3 * * *"
    timezone: Europe/Berlin
    environment: prod
    options: ["--full-refresh", "--limit=5", --select, "users.*"]
    env: {TOKEN: "${T}", PLAIN: 1}
    jitter: 5m
    catch_up: true
"""
    found = project(tmp_path, text, environ={"T": "s3cret-s3cret"}).schedules["nightly"]
    assert (found.run, found.cron, found.timezone, found.environment) == (
        ("demo",),
        "0 3 * * *",
        "Europe/Berlin",
        "prod",
    )
    assert found.options == ("--full-refresh", "--limit=5", "--select", "users.*")
    assert (found.jitter, found.catch_up, found.enabled) == (300, True, True)
    assert (found.env["TOKEN"].reveal(), found.env["PLAIN"], repr(found.env["TOKEN"])) == (
        "s3cret-s3cret",
        "1",
        "[secret]",
    )


def test_what_only_an_environment_defines_may_be_named(tmp_path):
    found = project(tmp_path, "schedules: {s: {run: big, cron: '@daily', environment: prod}}")
    assert found.schedules["s"].run == ("big",)


def test_schedules_of_included_files_and_environments(tmp_path):
    (tmp_path / "more.yaml").write_text("schedules: {other: {run: a b, cron: '@hourly'}}")
    text = "include: more.yaml\nschedules: {s: {run: demo, cron: '@daily'}}\n"
    (tmp_path / "tapdock.yaml").write_text(
        BASE.replace("environments: {prod: {", "environments: {prod: {schedules: {s: {cron: '@weekly'}}, ") + text
    )
    assert set(load(tmp_path / "tapdock.yaml", environment=None, environ={}).schedules) == {"s", "other"}
    assert load(tmp_path / "tapdock.yaml", environment="prod", environ={}).schedules["s"].cron == "@weekly"


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("{cron: '@daily'}", "`schedules.s` has no `run`", "run: demo"),
        ("{run: demo}", "`schedules.s` has no `cron`", "@daily"),
        ("{run: demo, interval: '@daily'}", "`schedules.s.interval` is not a key here", "write `cron`"),
        ("{run: demo, cron: '0 0 31 2 *'}", "`schedules.s.cron` is `0 0 31 2 *`, which never fires", "no month"),
        (
            "{run: dmo, cron: '@daily'}",
            "tapdock.yaml:6: `schedules.s.run`: there is no pipeline, source or target `dmo`",
            "`demo`",
        ),
        ("{run: big, cron: '@daily'}", "`schedules.s.run`", ""),
        ("{run: tapdock run demo, cron: '@daily'}", "begins with `tapdock run`", "write only `demo`"),
        ("{run: demo --full-refresh, cron: '@daily'}", "has the option `--full-refresh`", "under `options"),
        ("{run: demo, cron: '@daily', timezone: Europe/Berln}", "`schedules.s.timezone` is `Europe/Berln`", "Berlin"),
        ("{run: demo, cron: '@daily', environment: prd}", "`schedules.s.environment` is `prd`", "`prod`"),
        ("{run: demo, cron: '@daily', options: [--full-refrsh]}", "not an option of `tapdock run`", "`--full-refresh`"),
        ("{run: demo, cron: '@daily', options: [--full-refresh=1]}", "takes no value", "write `--full-refresh`"),
        ("{run: demo, cron: '@daily', options: [--limit]}", "without a value", "10"),
        ("{run: demo, cron: '@daily', options: [--limit, many]}", "which is not a number", "10"),
        ("{run: demo, cron: '@daily', options: [--environment, prod]}", "cannot have", "write `environment`"),
        ("{run: demo, cron: '@daily', options: [extra]}", "`extra`, which is not an option", ""),
        ("{run: demo, cron: '@daily', jitter: soon}", "`schedules.s.jitter` is `soon`, not a duration", "5m"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path, entry, message, hint):
    with pytest.raises(UsageError) as raised:
        project(tmp_path, f"schedules: {{s: {entry}}}")
    assert message in raised.value.message
    assert raised.value.message.startswith("tapdock.yaml:6: ")
    assert hint in (raised.value.hint or "")


def test_the_options_are_those_of_run():
    """Every option of `tapdock run` is allowed or refused, and takes a value if it does there."""
    params = [param for param in _command("run", "run:run").params if param.param_type_name == "option"]
    flags = {max(param.opts, key=len) for param in params if param.is_flag} - {"--help"}
    values = {max(param.opts, key=len) for param in params if not param.is_flag}
    assert flags - set(REFUSED) == set(FLAGS)
    assert values - set(REFUSED) == set(VALUES) - {"--log-format", "--log-level"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{}", "needs exactly one of `url` and `command`"),
        ("{url: '${U}', command: x}", "needs exactly one of `url` and `command`"),
        ("{url: 'https://hooks.example.com/x'}", "is a secret, which must not be in the project file"),
        ("{events: [fail], url: '${U}'}", "is `fail`, not one of `failure`"),
        ("{events: [], url: '${U}'}", "is empty"),
        ("{command: 'curl ${U}'}", "refers to a variable"),
        ("{webhook: '${U}'}", "`pipelines.p.notify.webhook` is not a key here"),
    ],
)
def test_a_mistake_in_a_notification(tmp_path, entry, message):
    (tmp_path / "tapdock.yaml").write_text(
        BASE.replace("{demo:", f"{{p: {{source: a, target: b, state_suffix: p, notify: {entry}}}, demo:")
    )
    with pytest.raises(UsageError) as raised:
        load(tmp_path / "tapdock.yaml", environment=None, environ={"U": "https://hooks.example.com/x"})
    assert message in raised.value.message
    assert "hooks.example.com/x" not in raised.value.message
