"""Tests `tapdock decrypt`."""

import json
import sys
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tapdock.cli import main
from tapdock.translate.maps.private import encrypted

KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def key(folder):
    file = folder / "private.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return str(file)


def test_values_are_printed_as_json(tapdock, key):
    values = ["a\nb \u00fc", 12345678901234567890, {"k": [None, True]}]
    ended = tapdock("decrypt", "--key", key, *[encrypted(value, PUBLIC) for value in values])
    assert ended.returncode == 0, ended.stderr
    assert [json.loads(line) for line in ended.stdout.splitlines()] == values


def test_lines_of_stdin_in_a_folder_without_a_project(tapdock, key, folder):
    (folder / "tapdock.yaml").unlink()
    ended = tapdock("decrypt", "--key", key, stdin=f"{encrypted('x', PUBLIC)}\n\n  {encrypted(1, PUBLIC)}\r\n")
    assert (ended.returncode, ended.stdout) == (0, '"x"\nnull\n1\n')


def test_the_digits_of_a_number_stay(tapdock, key):
    assert tapdock("decrypt", "--key", key, encrypted(Decimal("1.10"), PUBLIC)).stdout == "1.10\n"


def test_a_value_that_is_not_encrypted_ends_the_command_and_is_not_shown(tapdock, key):
    ended = tapdock("decrypt", "--key", key, stdin=f"{encrypted('x', PUBLIC)}\nplain value\n")
    assert (ended.returncode, ended.stdout) == (2, '"x"\n')
    assert "line 2 of stdin: the text is not a value of the function `encrypt`" in ended.stderr
    assert "plain value" not in ended.stderr


def test_another_key(tapdock, key):
    other = rsa.generate_private_key(65537, 2048).public_key()
    pem = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    ended = tapdock("decrypt", "--key", key, encrypted("x", pem))
    assert ended.returncode == 2
    assert "value 1: the value was encrypted for another key" in ended.stderr
    assert "hint: use the private key" in ended.stderr


def test_a_key_that_does_not_exist(tapdock):
    ended = tapdock("decrypt", "--key", "no.pem", "tapdock:enc1:x:y")
    assert ended.returncode == 2
    assert "the private key no.pem cannot be read: No such file" in ended.stderr


def test_without_a_value_and_without_stdin(key, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(("decrypt", "--key", key)) == 2
    assert "there is no value to decrypt" in capsys.readouterr().err
