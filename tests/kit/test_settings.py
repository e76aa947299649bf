"""One declaration: form fields, schema, validation and mask."""

from typing import Literal

import pytest
from pydantic import SecretStr, model_validator

from adapters.kit import Settings, SettingsInvalid, Wrong, secret, setting


class Example(Settings):
    access_key: SecretStr = secret("Access key", hint="From the console.", alias="accessKey", show_last4=True)
    pem: SecretStr | None = secret("Private key", default=None, multiline=True)
    host: str = setting(
        "Host", destination=True, group="endpoint", max_length=20, placeholder="smtp.example.com"
    )
    port: int = setting("Port", default=587, ge=1, le=65535)
    ratio: float = setting("Ratio", default=0.5)
    security: Literal["none", "tls"] = setting("Security", default="tls", choices={"tls": "Encrypted"})
    verify: bool = setting("Verify", default=True, group="advanced")
    sender: str = setting("Sender", kind="email", default="", pii=True)
    base_url: str | None = setting("Base address", kind="url", default=None)
    codes: list[str] = setting("Codes", default=[])
    note: str = setting("Note", default="", multiline=True)
    sign: str = setting("Sign", default="", pattern=r"^[A-Z]*$")

    @model_validator(mode="after")
    def _together(self):
        if self.security == "none" and self.port == 465:
            raise Wrong("Port 465 is always encrypted.", field="security")
        return self


GOOD = {"accessKey": "abcdefghijklmnop", "host": "mail.example"}


def test_fields_are_described_in_the_order_of_declaration():
    specs = {spec.name: spec for spec in Example.specs()}

    assert list(specs)[:4] == ["accessKey", "pem", "host", "port"]
    assert [spec.kind for spec in Example.specs()] == [
        "secret", "secret", "text", "integer", "number", "choice", "boolean", "email", "url", "list", "multiline", "text",
    ]  # fmt: skip
    assert (specs["accessKey"].attribute, specs["accessKey"].required, specs["accessKey"].show_last4) == (
        "access_key",
        True,
        True,
    )
    assert (specs["accessKey"].label, specs["accessKey"].hint) == ("Access key", "From the console.")
    assert not specs["pem"].required
    assert (specs["host"].destination, specs["host"].group, specs["host"].max_length) == (
        True,
        "endpoint",
        20,
    )
    assert (specs["port"].min, specs["port"].max, specs["port"].default) == (1, 65535, 587)
    assert specs["security"].choices == (("none", "none"), ("tls", "Encrypted"))
    assert specs["sign"].pattern == "^[A-Z]*$"
    assert specs["sender"].pii


def test_the_schema_speaks_of_wire_names_and_hides_secrets():
    schema = Example.schema()

    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["accessKey", "host"]
    key = schema["properties"]["accessKey"]
    assert (key["writeOnly"], key["format"], key["title"]) == (True, "password", "Access key")
    assert schema["properties"]["base_url"]["format"] == "uri"


def test_good_values_are_read_and_split_into_plain_and_secret():
    config = Example.parse(GOOD | {"port": "2525", "verify": "false", "host": "  mail.example "})

    assert (config.port, config.verify, config.host) == (2525, False, "mail.example")
    assert config.secrets() == {"accessKey": "abcdefghijklmnop"}
    assert "accessKey" not in config.plain()
    assert config.plain()["port"] == 2525
    assert Example.parse(config.plain() | config.secrets()) == config


def test_blank_and_null_count_as_not_given():
    config = Example.parse(GOOD | {"port": "", "base_url": " ", "pem": None, "codes": None})

    assert (config.port, config.base_url, config.pem, config.codes) == (587, None, None, [])


def test_a_secret_keeps_its_spaces():
    assert Example.parse(GOOD | {"accessKey": " x "}).access_key.get_secret_value() == " x "


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"host": None}, "host", "missing"),
        ({"host": "  "}, "host", "missing"),
        ({"accessKey": ""}, "accessKey", "missing"),
        ({"accessKey": "x" * 9000}, "accessKey", "too_long"),
        ({"accessKey": "line\nbreak"}, "accessKey", "invalid"),
        ({"accessKey": 5}, "accessKey", "type"),
        ({"host": "x" * 21}, "host", "too_long"),
        ({"host": 7}, "host", "type"),
        ({"host": "a\r\nb"}, "host", "invalid"),
        ({"port": "many"}, "port", "type"),
        ({"port": True}, "port", "type"),
        ({"port": 1.5}, "port", "type"),
        ({"port": 0}, "port", "range"),
        ({"port": 65536}, "port", "range"),
        ({"ratio": "nan"}, "ratio", "range"),
        ({"security": "maybe"}, "security", "choice"),
        ({"verify": "perhaps"}, "verify", "type"),
        ({"sender": "nobody"}, "sender", "invalid"),
        ({"base_url": "nowhere"}, "base_url", "invalid"),
        ({"base_url": "https://user:pass@mail.example"}, "base_url", "invalid"),
        ({"codes": "a"}, "codes", "type"),
        ({"sign": "abc"}, "sign", "pattern"),
        ({"surprise": 1}, "surprise", "unknown"),
        ({"access_key": "by attribute"}, "access_key", "unknown"),
        ({"security": "none", "port": 465}, "security", "invalid"),
    ],
)
def test_bad_values_are_named_in_plain_words_and_never_repeated(values, field, code):
    with pytest.raises(SettingsInvalid) as caught:
        Example.parse(GOOD | values)

    (error,) = caught.value.errors
    assert (error.field, error.code, error.pointer) == (field, code, f"/{field}")
    assert str(error.message).endswith(".")
    assert not any(
        len(str(value)) > 3 and str(value) in str(caught.value) for value in values.values() if value
    )


def test_something_else_than_members_is_refused():
    with pytest.raises(SettingsInvalid) as caught:
        Example.parse([])

    assert [(error.pointer, error.code) for error in caught.value.errors] == [("", "type")]


def test_no_secret_is_printed_by_accident():
    config = Example.parse(GOOD)

    assert "abcdefghijklmnop" not in f"{config!r} {config} {config.model_dump_json()} {config.plain()}"


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        Example.parse(GOOD).port = 1


def test_a_secret_that_is_too_long_is_counted_in_characters():
    with pytest.raises(SettingsInvalid) as caught:
        Example.parse(GOOD | {"accessKey": "x" * 8193})

    assert str(caught.value.errors[0].message) == "Use at most 8192 characters."
