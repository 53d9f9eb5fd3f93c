"""Tests what `tapdock doctor` finds missing for a connector."""

from tapdock.project.load import load
from tapdock.runs.needs import of_variables

PROJECT = """\
version: 1
sources:
  s:
    image: x
    config: {a: "${file:none}", b: "${file:there}", c: "${exec:./none}", d: ["${NOT_SET}"], e: "${SOURCE}"}
"""


def test_missing_variables_and_files_are_named_and_no_program_is_started(tmp_path):
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    (tmp_path / "there").write_text("t0ken-word")
    read = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    found = [each.found for each in of_variables(read.sources["s"])]
    assert found == [
        "tapdock.yaml:5: `sources.s.config.a` needs the file none, which cannot be read: No such file or directory",
        "tapdock.yaml:5: `sources.s.config.d.0` needs the variable `NOT_SET`, which is not set",
    ]


def test_missing_variables_of_a_mapping(tmp_path):
    text = 'version: 1\nmappers: {m: {image: x, mappings: [{name: a, config: {key: "${NOT_SET}"}}]}}\n'
    (tmp_path / "tapdock.yaml").write_text(text)
    read = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    found = [each.found for each in of_variables(read.mappers["m"])]
    assert found == [
        "tapdock.yaml:2: `mappers.m.mappings.0.config.key` needs the variable `NOT_SET`, which is not set",
    ]
