"""Tests the replacement of secrets in connectors' text, in every printed form."""

import base64
import html
import json
import random
import string
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.text.redaction import Redactor
from tapdock.text.secret_forms import forms_of

SECRET = "p/ä\"ss\\wörd<1>&+'="
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASCBK\n-----END PRIVATE KEY-----\n"


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


FORMS = {
    "as it is": SECRET,
    "JSON": json.dumps(SECRET, ensure_ascii=False),
    "JSON with escapes": json.dumps(SECRET),
    "JSON with upper case escapes": in_json(SECRET).replace("\\u00e4", "\\u00E4").replace("\\u00f6", "\\u00F6"),
    "JSON with escaped slashes": json.dumps(SECRET, ensure_ascii=False).replace("/", "\\/"),
    "JSON for HTML": json.dumps(SECRET, ensure_ascii=False)
    .replace("<", "\\u003c")
    .replace(">", "\\u003e")
    .replace("&", "\\u0026"),
    "JSON in JSON": json.dumps(json.dumps({"a": SECRET})),
    "JSON in JSON, as text": json.dumps(json.dumps({"a": SECRET}, ensure_ascii=False), ensure_ascii=False),
    "repr": repr({"a": SECRET}),
    "ascii": ascii(SECRET),
    "repr of bytes": repr(SECRET.encode()),
    "repr of JSON": repr(json.dumps(SECRET)),
    "in a path": quote(SECRET),
    "in a query": quote(SECRET, safe=""),
    "in a form": quote_plus(SECRET),
    "in lower case": quote(SECRET, safe="").lower(),
    "by encodeURIComponent": quote(SECRET, safe="!'()*"),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "URL-safe base64": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "base64 without padding": base64.b64encode(SECRET.encode()).decode().rstrip("="),
    "hex": SECRET.encode().hex(),
    "HEX": SECRET.encode().hex().upper(),
    "HTML": html.escape(SECRET),
    "HTML text": html.escape(SECRET, quote=False),
    "HTML by numbers": html.escape(SECRET).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_replaced(form):
    redact = Redactor([SECRET])
    shown = redact(f"before {form} after")
    assert "[secret]" in shown
    assert len(shown) <= len('before {\'a\': "\\"[secret]==\\""} after') + 8
    assert (shown.startswith("before "), shown.endswith(" after")) == (True, True)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "m", "me", "me:", "user:"])
@pytest.mark.parametrize("after", ["", "x", "yz", "\n12"])
@pytest.mark.parametrize("secret", ["hunter22", "hunter2", "correct horse", "ü~ÿ?>>ÿÿÿ"])
def test_base64_wherever_in_it_the_secret_is(encode, before, after, secret):
    """No remaining character contains a bit of the secret."""
    whole = encode(f"{before}{secret}{after}".encode()).decode()
    start, _, end = Redactor([secret])(f"Authorization: Basic {whole}, then").partition("[secret]")
    start = start.removeprefix("Authorization: Basic ")
    end = end.removesuffix(", then")
    assert whole.startswith(start)
    assert whole.endswith(end)
    assert len(start) * 6 <= len(before.encode()) * 8, "bits of the secret"
    assert len(end.rstrip("=")) * 6 // 8 <= len(after.encode()), "bits of the secret"


@pytest.mark.parametrize(
    "printed",
    [
        "hun\x1b[31mter\x1b[0m22",
        "hun\x00ter22",
        "h\u200bunter\u202e22",
        "hunt\x9b1mer22",
        "hunter\r22",
        "hun\x1b]0;x\x07ter22",
    ],
    ids=ascii,
)
def test_an_escape_code_inside_hides_no_secret(printed):
    assert Redactor(["hunter22"])(f"a {printed} b") == "a [secret] b"


def test_a_replaced_secret_makes_no_command_for_a_ci():
    assert Redactor(["hunter22"])("##hunter22") == "# #[secret]"


def test_lines_of_a_secret():
    redact = Redactor([KEY])
    shown = redact(f"  File x\n    {KEY}".replace("\n", "\n    "))
    assert "MII" not in shown
    assert "kiG" not in shown
    assert redact(json.dumps({"private_key": KEY})) == '{"private_key": "[secret]"}'
    assert redact("kiG9w0BAQEFAASCBK") == "[secret]"


def test_lines_of_a_variable_that_has_its_line_feeds_escaped():
    assert "kiG" not in Redactor([KEY.replace("\n", "\\n")])(KEY)


def test_values_in_a_secret_that_is_json():
    account = {"type": "service_account", "project_id": "shop", "private_key": KEY, "nested": [{"token": "abcdefgh"}]}
    account |= {"token_uri": "https://oauth2.example.com/token", "client_email": "a1@shop.example.com"}
    redact = Redactor([json.dumps(account, indent=2)])
    for text in (KEY, "kiG9w0BAQEFAASCBK", "abcdefgh", base64.b64encode(KEY.encode()).decode()):
        assert redact(text).strip() == "[secret]"
    for text in (json.dumps(account), json.dumps(account, indent=4), repr(account)):
        assert not any(secret in redact(text) for secret in ("MII", "kiG9", "abcdefgh"))
    words = "service_account shop https://oauth2.example.com/token"
    assert redact(words) == words


def test_short_values_are_not_replaced_and_the_longest_wins():
    redact = Redactor(["yes", "abcdef", "abcdefgh", 'line one\nli"ne two'])
    assert redact("yes abcdefgh abcdef 796573 eWVz") == "yes [secret] [secret] 796573 eWVz"
    assert redact('line one / {"a": "line one\\nli\\"ne two"}') == '[secret] / {"a": "[secret]"}'


def test_secrets_that_overlap_leave_nothing():
    redact = Redactor(["abcdefgh", "efghijkl", "ghijklmnop"])
    assert redact("xabcdefghijklmnopx") == "x[secret]x"


def test_ordinary_words_are_no_forms():
    """The base64 form of a secret can be an ordinary word by chance."""
    secret = base64.b64decode("understandings//")[:11].decode("latin-1")
    assert all(form.text != "understandings" for form in forms_of(secret))
    for secret in ("hunter22", "correct horse battery staple", KEY):
        assert all(len(form.text) >= 6 for form in forms_of(secret))


@given(st.lists(st.text(string.ascii_letters + string.digits + "/+'\"é", min_size=6), max_size=5), st.text())
def test_no_learned_secret_is_ever_left(secrets, text):
    redact = Redactor(secrets)
    shown = redact("".join(f"{text}{secret}" for secret in secrets))
    assert not any(secret in shown for secret in secrets if secret.strip() and secret not in "[secret]")


def test_text_without_secrets_stays():
    words = random.Random(1)
    redact = Redactor("".join(words.choices(string.ascii_letters, k=30)) for _ in range(300))
    text = "".join(words.choices(string.ascii_letters + " ", k=5000))
    assert redact(text) == text


def test_what_is_learned_later_is_replaced_from_then_on():
    redact = Redactor()
    assert redact("hunter22") == "hunter22"
    redact.learn(["hunter22"])
    redact.learn(["correct horse"])
    assert redact("hunter22, correct horse") == "[secret], [secret]"


def test_threads_may_learn_and_replace_together():
    redact = Redactor(["hunter22"])
    left: list[str] = []

    def read() -> None:
        left.extend(shown for shown in (redact("a hunter22 b") for _ in range(300)) if shown != "a [secret] b")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(100):
        redact.learn([f"hunter{number:06}"])
    for reader in readers:
        reader.join()
    assert left == []


@pytest.mark.parametrize(
    "text",
    [
        'got {"type": "CONTROL", "control": {"connectorConfig": {"config": {"token": "fresh"}}}} twice',
        'got {"control":{"connectorConfig":{"config":{"token":"fresh"}},"type":"CONNECTOR_CONFIG"},"type":',
        "got {'type': 'CONTROL', 'control': {'x': 'fresh'}}",
        r"got {\"type\":\"CONTROL\",\"x\":\"fresh\"}",
    ],
)
def test_a_config_in_other_text_is_left_out(text):
    """The new token in the config is not known as a secret yet."""
    assert Redactor()(text) == "got [a message with a config]"


def test_words_about_configs_stay():
    for text in ("CONTROL is on", 'the "CONTROL" message came', "ConnectorConfig was read", '{"a": "control"}'):
        assert Redactor()(text) == text


@pytest.mark.parametrize("size", [7, 12, 40])
def test_a_secret_that_a_cut_line_ends_in(size):
    """A line is cut at 64 KiB before it is redacted. The beginning of a secret at its end is also masked."""
    secret = "a-token-of-some-length-" + "0123456789" * 3
    text = "x " * (40 << 10)
    assert Redactor([secret])(text + secret[:size]) == text + "[secret]"
    assert Redactor([secret])("short " + secret[:size]) == "short " + secret[:size]


OWN = frozenset(("tapdock", "discover", "state", "warehouse", "nightly-load"))
COMMON = ("tapdock", "discover", "warehouse", "nightly-load", "refresh", "hunter22")


@pytest.mark.parametrize(
    "text",
    [
        "run `tapdock discover warehouse --full-refresh`",
        "`tapdock state clear default:warehouse-to-warehouse:eu --yes`; `tapdock run nightly-load` again",
        "source `warehouse` exited with 1",
        "tapdock.yaml:3: `sources.warehouse.config` is empty",
        "tapdock.yaml: sources.warehouse.config: x",
        "there is no `default:warehouse-to-warehouse`",
    ],
)
def test_a_message_keeps_the_words_of_its_commands(text):
    redact = Redactor(COMMON, own=OWN)
    assert redact.message(text) == text
    assert "[secret]" in redact(text)
    assert "[secret]" in Redactor(COMMON).message(text), "no words are known"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password warehouse is wrong for `warehouse`", "password [secret] is wrong for `[secret]`"),
        ("tapdock: no such user", "[secret]: no such user"),
        ("`tapdock run hunter22`", "`tapdock run [secret]`"),
        ("source `hunter22`", "source `[secret]`"),
        ("source `warehouse2`: warehouse", "source `[secret]2`: [secret]"),
        ("`tapdock warehouse` warehouse", "`tapdock warehouse` [secret]"),
        ("sources.hunter22.warehouse", "sources.[secret].[secret]"),
        (f"source `{base64.b64encode(b'hunter22').decode()}`", "source `[secret]`"),
        ("source `warehouse", "source `[secret]"),
    ],
)
def test_a_message_keeps_no_other_words(text, shown):
    assert Redactor(COMMON, own=OWN).message(text) == shown


def test_a_secret_that_contains_a_word_is_replaced():
    for secret in ("warehouse 2024", "discover warehouse", "-to-warehouse"):
        shown = Redactor([secret], own=OWN).message("`tapdock discover warehouse 2024 a-to-warehouse`")
        assert secret not in shown
        assert "[secret]" in shown


@given(st.lists(st.sampled_from(COMMON), min_size=1), st.text(), st.text("` :.s", max_size=3))
def test_a_message_keeps_a_secret_only_if_it_is_a_word_of_tapdock(words, text, gap):
    secrets = [f"{word}-{word}{number}" for number, word in enumerate(words)]
    shown = Redactor(secrets, own=OWN).message(f"`tapdock {text}{gap.join(secrets)}` source `{gap.join(secrets)}`")
    assert not any(secret in shown for secret in secrets)
