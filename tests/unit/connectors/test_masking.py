"""Tests which values of a config are secrets."""

import json

import pytest

from tapdock.connectors.masking import connector_secrets, masked, new_texts, secret_texts
from tapdock.project.connector_values import Config
from tapdock.project.interpolate import Scope, interpolate
from tapdock.project.layers import Layer
from tapdock.project.model import Build, Connector
from tapdock.project.secret import Secret
from tapdock.text.secret_names import is_secret_name, masked_text, secrets_in

SPEC = {
    "properties": {
        "credentials": {
            "oneOf": [
                {"properties": {"auth": {"const": "oauth"}, "expires": {"type": "integer"}}},
                {"properties": {"auth": {"const": "key"}, "key_id": {"type": "integer", "airbyte_secret": True}}},
            ]
        },
    },
}


def test_secrets_are_masked_by_spec_by_origin_and_by_name():
    config = {
        "credentials": {"auth": "key", "key_id": 123456},
        "url": "postgresql://me:pa55word@host/db",
        "host": Secret("hidden"),
        "apiToken": "t0ken-value",
        "db_password": ["a", "b"],
        "primary_key": "id",
        "use_token": True,
    }
    assert masked(config, SPEC) == {
        "credentials": {"auth": "key", "key_id": "[secret]"},
        "url": "postgresql://me:[secret]@host/db",
        "host": "[secret]",
        "apiToken": "[secret]",
        "db_password": ["[secret]", "[secret]"],
        "primary_key": "id",
        "use_token": True,
    }
    assert secret_texts(config, SPEC) == (
        "123456",
        "me:pa55word",
        "pa55word",
        "hidden",
        "t0ken-value",
        "a",
        "b",
    )


def test_a_variables_value_inside_a_longer_text_is_a_secret_too():
    layer = interpolate(
        Layer({"sources": {"s": {"config": {"url": "db://me:${PASSWORD}@host"}}}}, {}),
        Scope(variables={"PASSWORD": "hunter22"}),
    )
    config = layer.tree["sources"]["s"]["config"]
    assert secret_texts(config, None) == ("db://me:hunter22@host", "hunter22", "me:hunter22")


SECRET = {"type": "string", "airbyte_secret": True}
PLACES = {
    "a property": ({"properties": {"a": SECRET}}, {"a": "hidden"}),
    "writeOnly": ({"properties": {"a": {"writeOnly": True}}}, {"a": "hidden"}),
    "a format": ({"properties": {"a": {"type": "string", "format": "password"}}}, {"a": "hidden"}),
    "Meltano's SDK": ({"properties": {"a": {"secret": True}}}, {"a": "hidden"}),
    "a reference": ({"$defs": {"s": SECRET}, "properties": {"a": {"$ref": "#/$defs/s"}}}, {"a": "hidden"}),
    "two references": (
        {
            "definitions": {"r": {"$ref": "#/definitions/s"}, "s": SECRET},
            "properties": {"a": {"$ref": "#/definitions/r"}},
        },
        {"a": "hidden"},
    ),
    "an anchor": ({"$defs": {"x": {"$anchor": "s", **SECRET}}, "properties": {"a": {"$ref": "#s"}}}, {"a": "hidden"}),
    "beside a reference": (
        {"definitions": {"s": {"type": "string"}}, "properties": {"a": {"$ref": "#/definitions/s", "writeOnly": True}}},
        {"a": "hidden"},
    ),
    "oneOf of a value": ({"properties": {"a": {"oneOf": [{"type": "null"}, SECRET]}}}, {"a": "hidden"}),
    "anyOf of objects": ({"anyOf": [{"properties": {"a": SECRET}}, {"properties": {"b": {}}}]}, {"a": "hidden"}),
    "nested branches": ({"oneOf": [{"anyOf": [{"allOf": [{"properties": {"a": SECRET}}]}]}]}, {"a": "hidden"}),
    "allOf": ({"allOf": [{"required": ["a"]}, {"properties": {"a": SECRET}}]}, {"a": "hidden"}),
    "a branch with other constants": (
        {"oneOf": [{"properties": {"a": {}, "by": {"const": 1}}}, {"properties": {"a": SECRET, "by": {"const": 2}}}]},
        {"a": "hidden", "by": 1},
    ),
    "then": ({"if": {"required": ["b"]}, "then": {"properties": {"a": SECRET}}}, {"a": "hidden", "b": "x"}),
    "else": ({"if": {"required": ["b"]}, "else": {"properties": {"a": SECRET}}}, {"a": "hidden"}),
    "dependentSchemas": ({"dependentSchemas": {"b": {"properties": {"a": SECRET}}}}, {"a": "hidden", "b": "x"}),
    "a list": ({"properties": {"l": {"items": SECRET}}}, {"l": ["hidden", "hidden"]}),
    "a list that is secret": ({"properties": {"l": {"type": "array", "airbyte_secret": True}}}, {"l": ["hidden"]}),
    "a list of objects": ({"properties": {"l": {"items": {"properties": {"a": SECRET}}}}}, {"l": [{"a": "hidden"}]}),
    "a tuple": ({"properties": {"l": {"items": [{}, SECRET]}}}, {"l": ["x", "hidden"]}),
    "the rest of a tuple": ({"properties": {"l": {"items": [{}], "additionalItems": SECRET}}}, {"l": ["x", "hidden"]}),
    "prefixItems": ({"properties": {"l": {"prefixItems": [{}, SECRET]}}}, {"l": ["x", "hidden"]}),
    "after prefixItems": ({"properties": {"l": {"prefixItems": [{}], "items": SECRET}}}, {"l": ["x", "hidden"]}),
    "patternProperties": ({"patternProperties": {"^a": SECRET}}, {"a1": "hidden", "b": "x"}),
    "a pattern for Java": ({"patternProperties": {r"^\p{Alpha}": SECRET}}, {"a": "hidden"}),
    "additionalProperties": ({"properties": {"b": {}}, "additionalProperties": SECRET}, {"a": "hidden", "b": "x"}),
    "below a secret": ({"properties": {"o": {"airbyte_secret": True}}}, {"o": {"a": {"b": ["hidden", 5555]}}}),
    "a circle": (
        {
            "definitions": {"n": {"properties": {"a": SECRET, "n": {"$ref": "#/definitions/n"}}}},
            "$ref": "#/definitions/n",
        },
        {"n": {"n": {"a": "hidden"}}},
    ),
}


@pytest.mark.parametrize(("schema", "config"), PLACES.values(), ids=PLACES)
def test_a_secret_is_found_wherever_the_spec_says_so(schema, config):
    shown = json.dumps(masked(config, schema))
    assert "hidden" not in shown
    assert "5555" not in shown
    assert "[secret]" in shown
    assert set(secret_texts(config, schema)) <= {"hidden", "5555"}
    assert json.dumps(masked(config, None)) == json.dumps(config), "the name gives it away"
    if "x" in json.dumps(config):
        assert '"x"' in shown, "what is not secret is shown"


def test_what_a_spec_lists_is_not_a_secret_by_its_name():
    schema = {"properties": {"auth_token": {"enum": ["none", "header"]}, "password": {"const": "always"}}}
    assert masked({"auth_token": "none"}, schema) == {"auth_token": "none"}
    assert masked({"password": "always"}, schema) == {"password": "always"}
    assert masked({"password": "always"}, None) == {"password": "[secret]"}


SECRET_NAMES = """
password passwords db_passwd PGPASSWORD pwd Pwd smtp_pass passphrase api_key apiKey APIKey apikey api_keys
access_token accessTokens refresh_token token_value token2 clientSecret client_secret secrets AWS_SECRET_ACCESS_KEY
aws_access_key_id private_key private_key_id privateKeyPem ssh_key encryption_key account_key SharedAccessKey
connection_string connectionString dsn credentials credentials_json service_account_json json_key keyfile
keyfile_json authorization auth basic_auth bearer cookie cookies session session_token sas_token sasUrl webhook_url
X-Amz-Signature sig jwt github_pat user_password secret_id sslpassword
"""
READABLE_NAMES = """
primary_key primaryKey cursor_key key_properties replication_key sort_key partition_keys public_key keyspace
keyboard monkey token_url token_uri auth_uri authorization_url auth_type auth_method session_name token_expiry_date
keys secret_name password_file key_path key_columns client_id tenant_id username host database author authors tokenizer
secretary bypass passenger pass_through start_date path pathname signature_version max_token_count
"""


def test_names_of_secrets():
    assert [name for name in SECRET_NAMES.split() if not is_secret_name(name)] == []
    assert [name for name in READABLE_NAMES.split() if is_secret_name(name)] == []


def test_a_group_of_settings_and_a_choice_are_shown():
    config = {"credentials": {"auth": "oauth", "client_secret": "s3cret"}, "auth": "basic", "api_key": "letters"}
    assert masked(config, None) == {
        "credentials": {"auth": "oauth", "client_secret": "[secret]"},
        "auth": "basic",
        "api_key": "[secret]",
    }
    assert masked({"credentials": '{"a": 1}', "auth": "me:pa55word"}, None) == {
        "credentials": "[secret]",
        "auth": "[secret]",
    }


def test_a_private_key_is_a_secret_under_any_name():
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n"
    text = json.dumps({"type": "service_account", "private_key": key})
    assert masked({"gcp": text, "pem_file": key, "other": '{"a": 1}'}, None) == {
        "gcp": "[secret]",
        "pem_file": "[secret]",
        "other": '{"a": 1}',
    }


@pytest.mark.parametrize(
    ("text", "shown", "secrets"),
    [
        ("postgresql://me:p@ss/w0rd@host/db", "postgresql://me:[secret]@host/db", ["me:p@ss/w0rd", "p@ss/w0rd"]),
        ("amqps://me:pa%40ss@h", "amqps://me:[secret]@h", ["me:pa%40ss", "pa%40ss", "me:pa@ss", "pa@ss"]),
        ("jdbc:oracle:x://me:hunter22@h", "jdbc:oracle:x://me:[secret]@h", ["me:hunter22", "hunter22"]),
        ("redis://:hunter22@h", "redis://:[secret]@h", [":hunter22", "hunter22"]),
        ("t @ git+https://ghp_1@github.com/o/t", "t @ git+https://[secret]@github.com/o/t", ["ghp_1"]),
        ("https://tok3n:x-oauth-basic@h", "https://[secret]@h", ["tok3n:x-oauth-basic", "x-oauth-basic", "tok3n"]),
        ("azblob://c/p?account=a&sig=A%2Bb&se=1", "azblob://c/p?account=a&sig=[secret]&se=1", ["A%2Bb", "A+b"]),
        ("mssql://h/d?password=hunter22", "mssql://h/d?password=[secret]", ["hunter22"]),
        ("Server=h;User Id=me;Password=hunter22;", "Server=h;User Id=me;Password=[secret];", ["hunter22"]),
        ("host=h password='my pass' user=me", "host=h password=[secret] user=me", ["my pass"]),
        ("--api-key=hunter22", "--api-key=[secret]", ["hunter22"]),
        ("https://host:8080/a@b", "https://host:8080/a@b", []),
        ("git@github.com:o/t", "git@github.com:o/t", []),
        ("ssh://git@host/o", "ssh://git@host/o", []),
        ("mail me@example.com, primary_key=id", "mail me@example.com, primary_key=id", []),
    ],
)
def test_secrets_inside_of_text(text, shown, secrets):
    assert masked_text(text) == shown
    assert secrets_in(text) == secrets
    assert masked({"a": text}, None) == {"a": shown}
    assert set(secrets) <= set(secret_texts({"a": text}, None))


def test_all_that_a_project_has_of_a_connectors_secrets():
    connector = Connector(
        name="s",
        role="source",
        image="x",
        config=Config({"password": "c0nfig", "url": "db://me:ur1@h"}),
        env={"TOKEN": Secret("fr0m-env")},
        build=Build(family="singer", package="t @ git+https://t0ken@host/t"),
    )
    assert set(connector_secrets(connector)) == {"c0nfig", "me:ur1", "ur1", "fr0m-env", "t0ken"}


def test_what_a_connector_renewed_is_new_text():
    assert new_texts({"a": {"b": ["new"]}, "c": "old"}, {"c": "old"}) == {"new"}
