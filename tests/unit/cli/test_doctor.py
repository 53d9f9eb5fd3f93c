"""Tests what doctor reports: everything without which a run would not start, or would not read what it should."""

import json

import pytest

PROJECT = """\
version: 1
sources:
  shop:
    image: /bin/true
    config: {host: db, users: [{password: "${SHOP_PASSWORD}"}]}
    env: {TOKEN: "${SHOP_TOKEN}"}
    mounts: ["./certificates:/certificates:ro"]
targets: {lake: {image: /bin/true, mounts: ["./data:/data"]}}
"""


@pytest.fixture
def doctor(tapdock):
    """doctor(**environ) -> the exit code, and the findings that are errors, with their next steps."""

    def found(**environ: str) -> tuple[int, dict[str, str]]:
        ended = tapdock("doctor", "--json", TAPDOCK_ENGINE="local", **environ)
        findings = json.loads(ended.stdout)["findings"]
        return ended.returncode, {one["found"]: one["fix"] for one in findings if one["level"] == "error"}

    return found


def test_missing_variables_and_mounts_are_errors(doctor, folder):
    (folder / "tapdock.yaml").write_text(PROJECT)
    code, errors = doctor()
    assert code == 8
    assert set(errors) == {
        "tapdock.yaml:5: `sources.shop.config.users.0.password` needs the variable `SHOP_PASSWORD`, which is not set",
        "tapdock.yaml:6: `sources.shop.env.TOKEN` needs the variable `SHOP_TOKEN`, which is not set",
        f"{folder}/certificates does not exist",
    }
    assert all(errors.values()), "each has a next step"
    (folder / "certificates").mkdir()
    assert doctor(SHOP_PASSWORD="a", SHOP_TOKEN="b") == (0, {})


def test_a_folder_that_a_run_cannot_create_is_an_error(doctor, folder):
    (folder / "tapdock.yaml").write_text(PROJECT.split("sources")[0] + PROJECT[PROJECT.index("targets") :])
    assert doctor() == (0, {})
    (folder / "file").touch()
    (folder / "tapdock.yaml").write_text(
        "version: 1\ntargets: {lake: {image: /bin/true, mounts: ['./file/data:/data']}}\n"
    )
    code, errors = doctor()
    assert (code, list(errors)) == (8, [f"{folder}/file/data does not exist and cannot be created in {folder}/file"])


def test_doctor_names_a_state_whose_target_is_new(tapdock, folder):
    file = folder / "tapdock.yaml"
    file.write_text(file.read_text().replace(":ro", ""))
    environ = {"TAPDOCK_ENGINE": "local", "TOKEN": "t"}
    state = '{"bookmarks":{"users":1}}'
    assert tapdock("state", "set", "demo", stdin=state, **environ).returncode == 0
    ended = tapdock("doctor", **environ)
    assert f"`lake` looks new: there is no file in {folder}/data, but there is a state" in ended.stdout
    assert "tapdock state clear default:faker-to-lake" in ended.stderr
    (folder / "data").mkdir()
    (folder / "data" / "lake.duckdb").touch()
    assert "looks new" not in tapdock("doctor", **environ).stdout


def test_what_no_pipeline_uses_is_not_an_error(tapdock, doctor, folder):
    spare = "  spare: {image: /nowhere, config: {key: '${SPARE_KEY}'}, mounts: ['./none:/none:ro']}\n"
    pipelines = "pipelines: {demo: {source: shop, target: lake}}\n"
    text = PROJECT.replace("sources:\n", f"sources:\n{spare}").replace('mounts: ["./c', 'mounts: ["./data/c')
    (folder / "tapdock.yaml").write_text(text + pipelines)
    (folder / "data" / "certificates").mkdir(parents=True)
    environ = {"SHOP_PASSWORD": "a", "SHOP_TOKEN": "b"}
    assert doctor(**environ) == (0, {})
    printed = tapdock("doctor", TAPDOCK_ENGINE="local", **environ).stdout
    assert "`SPARE_KEY`, which is not set (no pipeline and no job uses spare)" in printed
    errors = doctor()[1]
    assert errors
    assert not any("SPARE_KEY" in found for found in errors)
    (folder / "tapdock.yaml").write_text(text + pipelines + "jobs: {nightly: [demo, spare lake]}\n")
    assert any("SPARE_KEY" in found for found in doctor(**environ)[1]), "a job uses it"
    rows = "pipelines: {rows: {source: spare, target: lake, matrix: [{name: acme}]}}\n"
    (folder / "tapdock.yaml").write_text(text + rows)
    assert any("SPARE_KEY" in found for found in doctor(**environ)[1]), "a pipeline with a matrix uses it"


@pytest.mark.parametrize("exists", [True, False])
def test_each_mount_is_listed_once(tapdock, folder, exists):
    (folder / "tapdock.yaml").write_text("version: 1\ntargets: {lake: {image: /bin/true, mounts: ['./data:/data']}}\n")
    if exists:
        (folder / "data").mkdir()
    printed = tapdock("doctor", TAPDOCK_ENGINE="local").stdout
    assert printed.count("mounts of lake") == 1
