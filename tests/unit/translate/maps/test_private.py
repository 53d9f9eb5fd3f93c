"""Tests tokens, masks and encryption of values."""

import datetime
import hashlib
import hmac
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import Scope, Uncomputable, compiled
from tapdock.translate.maps.private import decrypted, encrypted, masked, tokens

KEY = b"0123456789abcdef"
PASSWORD = b"a password"


def pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


PRIVATE_KEY = rsa.generate_private_key(65537, 2048)
PRIVATE, PUBLIC = pem(PRIVATE_KEY), public(PRIVATE_KEY)


def computed(text, record, **keys):
    expression = compiled(text, Scope({}, frozenset(record), **keys))
    return expression(record, stream="s", original_stream="s")


# tokens


def token(value, key=KEY):
    return tokens(key)(value)


@pytest.mark.parametrize("size", [16, 63, 64, 65, 200])
def test_a_token_of_a_string_is_the_hmac_that_any_program_computes(size):
    key = bytes(range(size))
    expected = hmac.new(key, "Grüße".encode(), hashlib.sha256).hexdigest()
    assert computed("hash(x)", {"x": "Grüße"}, hash_key=key) == expected


@pytest.mark.parametrize(
    "same",
    [
        [1, 1.0, Decimal("1"), Decimal("1.00"), Decimal("1E0"), "1"],
        [100, 1e2, Decimal("1E+2"), "100"],
        [0.1, Decimal("0.1"), Decimal("0.10"), Decimal("1E-1"), "0.1"],
        [0, -0.0, Decimal("-0.00"), Decimal("0E+7"), "0"],
        [-12.5, Decimal("-12.50"), "-12.5"],
        [12345678901234567890123, Decimal("12345678901234567890123.0")],
        [True, "true"],
        [{"b": 1.50, "a": [None, "é"]}, {"a": [None, "é"], "b": Decimal("1.5")}, '{"a":[null,"é"],"b":1.5}'],
        [datetime.date(2020, 1, 2), "2020-01-02"],
        [Decimal("1E+999999999"), Decimal("10E+999999998"), "1e999999999"],
    ],
    ids=str,
)
def test_equal_values_have_one_token(same):
    assert len({token(value) for value in same}) == 1


def test_different_values_have_different_tokens():
    values = ["", " ", "a", "A", 0, 1, -1, 0.5, True, False, [], {}, [1], ["1"], {"a": None}, "1.0", 10**400]
    assert len({token(value) for value in values}) == len(values)
    assert token("a") != token("a", KEY + b"x")


@pytest.mark.parametrize("function", ["hash", "mask", "encrypt"])
def test_null_stays_null(function):
    assert computed(f"{function}(x)", {"x": None}, hash_key=KEY, public_key=PUBLIC) is None


def test_a_value_without_a_finite_number_has_no_token():
    with pytest.raises(Uncomputable, match="not finite"):
        computed("hash(float(x))", {"x": "inf"}, hash_key=KEY)


@pytest.mark.parametrize(
    ("key", "why"), [(None, "requires a key"), (b"", "requires a key"), (b"short", "shorter than")]
)
def test_a_key_that_protects_nothing_is_refused_before_the_run(key, why):
    with pytest.raises(UsageError, match=why) as caught:
        compiled("hash(x)", Scope({}, None, hash_key=key))
    assert "openssl rand" in (caught.value.hint or "")


# masks


@pytest.mark.parametrize(
    ("value", "keep", "expected"),
    [
        ("4111111111111111", 4, "************1111"),
        ("12345678", 4, "****5678"),
        ("1234567", 4, "****567"),
        ("ab", 4, "*b"),
        ("a", 4, "*"),
        ("", 4, ""),
        ("secret", 0, "******"),
        (1234567890, 4, "******7890"),
        (Decimal("1234.50"), 2, "****.5"),
        (True, 0, "****"),
    ],
)
def test_masks(value, keep, expected):
    assert masked(value, keep) == expected
    assert computed(f"mask(x, keep={keep})", {"x": value}) == expected


@given(st.text("aß😀 "), st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_a_mask_never_shows_more_than_half(value, keep):
    made = masked(value, keep)
    shown = min(keep, len(value) // 2)
    assert made == "*" * (len(value) - shown) + value[len(value) - shown :]
    assert len(made) == len(value)


# encryption

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text('aß😀\n\\"'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES)
@settings(max_examples=15, deadline=None)
def test_values_are_the_same_after_encryption_and_decryption(value):
    made = encrypted(value, PUBLIC)
    assert (None if made is None else decrypted(made, PRIVATE)) == value


@pytest.mark.parametrize("length", [0, 1, 187, 188, 189, 190, 191, 100_000])
def test_long_values_are_encrypted_with_a_key_of_their_own(length):
    """RSA with 2048 bits takes 190 bytes, of which two are quotes."""
    value = "x" * length
    made = encrypted(value, PUBLIC)
    assert made is not None
    assert decrypted(made, PRIVATE) == value
    assert (len(made) > 400) is (length > 188)
    assert value[:20] not in made or length < 20


def test_digits_survive():
    made = encrypted({"n": Decimal("1.10"), "big": 2**70}, PUBLIC)
    assert repr(decrypted(made, PRIVATE)) == repr({"n": Decimal("1.10"), "big": 2**70})


def test_two_encryptions_of_one_value_differ():
    assert encrypted("x", PUBLIC) != encrypted("x", PUBLIC)


def test_the_text_has_its_version_and_the_key():
    head, version, fingerprint, _ = computed("encrypt(x)", {"x": "a"}, public_key=PUBLIC).split(":")
    der = PRIVATE_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert (head, version, fingerprint) == ("tapdock", "enc1", hashlib.sha256(der).hexdigest()[:16])


def test_a_private_key_with_a_password():
    locked = pem(PRIVATE_KEY, PASSWORD)
    made = encrypted("x", PUBLIC)
    assert decrypted(made, locked, password=PASSWORD) == "x"
    with pytest.raises(UsageError, match="password is required"):
        decrypted(made, locked)
    with pytest.raises(UsageError, match="is not encrypted"):
        decrypted(made, PRIVATE, password=PASSWORD)
    with pytest.raises(UsageError, match="cannot be read"):
        decrypted(made, locked, password=b"wrong")


@pytest.mark.parametrize("length", [1, 1000])
def test_a_changed_text_is_refused(length):
    made = encrypted("x" * length, PUBLIC)
    middle = len(made) - 20
    other = "A" if made[middle] != "A" else "B"
    for damaged in (made[:middle] + other + made[middle + 1 :], made[:-8], made + "!", made[:40]):
        with pytest.raises(UsageError, match="damaged"):
            decrypted(damaged, PRIVATE)


def test_another_key_is_named():
    other = rsa.generate_private_key(65537, 2048)
    made = encrypted("x", public(other))
    with pytest.raises(UsageError, match=f"another key, with the fingerprint `{made.split(':')[2]}`"):
        decrypted(made, PRIVATE)


def test_a_text_that_is_not_encrypted_is_refused_without_being_shown():
    with pytest.raises(UsageError, match="not a value of the function `encrypt`") as caught:
        decrypted("a plain value", PRIVATE)
    assert "a plain value" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (None, "requires a public key"),
        (b"text", "not a public key in PEM format"),
        (PRIVATE, "is a private key"),
        (public(ec.generate_private_key(ec.SECP256R1())), "must be RSA"),
        (public(rsa.generate_private_key(65537, 1024)), "at least 2048 bits"),
    ],
    ids=["none", "text", "private", "curve", "small"],
)
def test_a_key_that_cannot_encrypt_is_refused_before_the_run(key, why):
    with pytest.raises(UsageError, match=why) as caught:
        compiled("encrypt(x)", Scope({}, None, public_key=key))
    assert caught.value.hint


@pytest.mark.parametrize("key", [b"text", public(PRIVATE_KEY)])
def test_a_private_key_that_cannot_be_read(key):
    with pytest.raises(UsageError, match="cannot be read"):
        decrypted(encrypted("x", PUBLIC), key)


def test_types_of_the_functions():
    scope = Scope({}, None, hash_key=KEY, public_key=PUBLIC)
    for text in ("hash(x)", "mask(x)", "encrypt(x)"):
        assert compiled(text, scope).schema == {"type": ["string", "null"]}
