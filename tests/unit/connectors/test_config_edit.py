"""Tests under which variable `config set` keeps a secret, and that a change of one value changes no other."""

import pytest

from tapdock.connectors.config_edit import ConfigEdit
from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.secret import Secret


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tapdock.yaml"


def edit(file, environment=None, **given):
    project = load(file, environment=environment, environ={}, **given)
    return ConfigEdit(project, project.sources["shop"], environment, {})


def set_password(change):
    change.set_plain(("password",), "devsecret9", secret=lambda path, _: {path})
    change.write()


def password(file, environment=None, **given):
    value = load(file, environment=environment, environ={}, **given).sources["shop"].config["password"]
    return value.reveal() if isinstance(value, Secret) else value


@pytest.mark.parametrize("name", ["PW", "SHOP_PASSWORD"])
def test_a_name_of_vars_is_not_used_for_a_secret(file, name):
    file.write_text(
        f"version: 1\nvars: {{{name}: dev0}}\n"
        f"sources:\n  shop:\n    image: x\n    config:\n      password: ${{{name}}}\n"
        f"targets: {{lake: {{image: 'y:${{{name}:-1}}'}}}}\n"
    )
    set_password(edit(file))
    assert password(file) == "devsecret9"
    assert load(file, environment=None, environ={}).targets["lake"].image == "y:dev0"


def test_a_name_that_vars_alone_define_is_taken(file):
    file.write_text(
        "version: 1\nvars: {SHOP_PASSWORD: dev0}\nsources:\n  shop:\n    image: x\n    config:\n      password: old\n"
    )
    set_password(edit(file))
    assert "${SHOP_PASSWORD_2}" in file.read_text()


VARS = """\
version: 1
sources:
  eu: {image: x, config: {password: "${PW}", url: "db://${PW}@host"}}
  shop: {extends: eu}
environments: {dev: {}, prod: {vars: {PW: prod0}}}
"""


@pytest.mark.parametrize("path", [("password",), ("url",)])
def test_a_value_that_an_environment_has_by_its_vars_is_not_replaced(file, path):
    file.write_text(VARS)
    with pytest.raises(UsageError, match="refers to `PW`, which an environment has in its `vars`"):
        edit(file).set_plain(path, "devsecret9", secret=lambda path, _: {path})


def test_it_is_replaced_in_one_environment(file):
    file.write_text(VARS)
    set_password(edit(file, "dev"))
    assert password(file, "dev") == "devsecret9"
    assert password(file, "prod") == "prod0"


def test_a_name_in_a_file_of_variables_is_not_used_for_a_secret(file):
    file.write_text("version: 1\nsources:\n  shop:\n    image: x\n    config:\n      password: ${SHOP_PASSWORD}\n")
    env_file = file.parent / "prod.env"
    env_file.write_text("SHOP_PASSWORD=old\n")
    set_password(edit(file, env_files=[env_file]))
    assert password(file, env_files=[env_file]) == "devsecret9"


def test_what_another_program_wrote_into_dotenv_is_kept(file):
    file.write_text("version: 1\nsources: {shop: {image: x, config: {}}}\n")
    dotenv = file.parent / ".env"
    change = edit(file)
    dotenv.write_text("OTHER=1\n")
    set_password(change)
    assert dotenv.read_text() == "OTHER=1\nSHOP_PASSWORD=devsecret9\n"


def test_a_secret_that_another_program_has_just_defined_is_not_replaced(file):
    text = "version: 1\nsources: {shop: {image: x, config: {}}}\n"
    file.write_text(text)
    dotenv = file.parent / ".env"
    change = edit(file)
    dotenv.write_text("SHOP_PASSWORD=theirs\n")
    with pytest.raises(UsageError, match="has just been changed by another program"):
        set_password(change)
    assert (file.read_text(), dotenv.read_text()) == (text, "SHOP_PASSWORD=theirs\n")


@pytest.mark.parametrize("written", ["${PW}", '"${PW}"', "'${PW}'"])
def test_a_reference_that_is_there_keeps_its_quotes(file, written):
    text = f"version: 1\nsources:\n  shop:\n    image: x\n    config:\n      password: {written}\n"
    file.write_text(text)
    set_password(edit(file))
    assert file.read_text() == text
