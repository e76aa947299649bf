"""Settings are read strictly: what cannot be understood stops the start and names its variable."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from webapp.config import Config, ConfigError

KEY = base64.b64encode(bytes(range(1, 33))).decode()


def test_an_empty_environment_gives_the_defaults():
    config = Config.from_env({})

    assert config.data_dir == Path.cwd() / "instance"
    assert config.database_url == f"sqlite:///{Path.cwd() / 'instance' / 'patchbay.sqlite3'}"
    assert (config.base_url, config.kek, config.kek_file, config.key_provider) == (None, None, None, "local")
    assert (config.trusted_hosts, config.proxy_hops, config.api_prefix) == ((), 0, "")
    assert (config.log_retention_days, config.log_body_retention_days, config.debug) == (30, 7, False)


def test_everything_can_be_set(tmp_path):
    config = Config.from_env(
        {
            "PATCHBAY_DATA_DIR": str(tmp_path),
            "PATCHBAY_DATABASE_URL": "postgresql://pb:p%40ss@db.example.com/pb",
            "PATCHBAY_BASE_URL": "https://patchbay.example.com/",
            "PATCHBAY_KEK": KEY,
            "PATCHBAY_SECRET_KEY": KEY,
            "PATCHBAY_EGRESS_ALLOW": "10.0.0.0/8, localhost:1025",
            "PATCHBAY_TRUSTED_HOSTS": "patchbay.example.com, .internal",
            "PATCHBAY_PROXY_HOPS": "2",
            "PATCHBAY_LOG_RETENTION_DAYS": "90",
            "PATCHBAY_LOG_BODY_RETENTION_DAYS": "0",
            "PATCHBAY_API_PREFIX": "/api/",
            "PATCHBAY_REDIS_URL": "redis://127.0.0.1/0",
            "PATCHBAY_DEBUG": "1",
            "CREDENTIALS_DIRECTORY": "/run/credentials/patchbay",
        }
    )

    assert config.data_dir == tmp_path
    assert config.database_url == "postgresql+psycopg://pb:p%40ss@db.example.com/pb"
    assert config.base_url == "https://patchbay.example.com"
    assert config.kek == config.secret_key == bytes(range(1, 33))
    assert config.egress.endpoints == {("localhost", 1025)}
    assert config.trusted_hosts == ("patchbay.example.com", ".internal")
    assert (config.proxy_hops, config.log_retention_days, config.log_body_retention_days) == (2, 90, 0)
    assert (config.api_prefix, config.debug) == ("/api", True)
    assert config.redis_url == "redis://127.0.0.1/0"
    assert config.credentials_dir == Path("/run/credentials/patchbay")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DATABASE_URL", "mysql://db/pb", "must start with sqlite:/// or postgresql://"),
        ("DATABASE_URL", "sqlite://", "must name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "must name a file"),
        ("DATABASE_URL", "just words", "is not a database address"),
        ("BASE_URL", "patchbay.example.com", "must be an address"),
        ("BASE_URL", "ftp://patchbay.example.com", "must be an address"),
        ("BASE_URL", "https://user:word@patchbay.example.com", "must be an address"),
        ("BASE_URL", "https://[::1", "must be an address"),
        ("BASE_URL", "https://patchbay.example.com:notaport", "must be an address"),
        ("KEK", "%%%", "is not valid base64"),
        ("KEK", base64.b64encode(b"x" * 31).decode(), "must hold 32 bytes, but holds 31"),
        ("KEY_PROVIDER", "vault", "must be one of: local"),
        ("EGRESS_ALLOW", "300.0.0.0/8", "cannot be read"),
        ("TRUSTED_HOSTS", "good.example.com, bad host", "'bad host', which is not a host name"),
        ("PROXY_HOPS", "-1", "from 0 to 10"),
        ("PROXY_HOPS", "11", "from 0 to 10"),
        ("PROXY_HOPS", "1.5", "must be a whole number"),
        ("LOG_RETENTION_DAYS", "0", "from 1 to 3650"),
        ("LOG_RETENTION_DAYS", "thirty", "must be a whole number"),
        ("LOG_BODY_RETENTION_DAYS", "9" * 30, "must be a whole number"),
        ("API_PREFIX", "api", "must be a path"),
        ("API_PREFIX", "/a b", "must be a path"),
        ("REDIS_URL", "http://127.0.0.1", "must start with redis://"),
        ("DEBUG", "maybe", "must be 1 or 0"),
    ],
)
def test_what_cannot_be_understood_is_refused(name, value, reason):
    with pytest.raises(ConfigError) as refused:
        Config.from_env({f"PATCHBAY_{name}": value})

    assert refused.value.variable == f"PATCHBAY_{name}"
    assert reason in str(refused.value)


def test_a_mistyped_name_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match=r"not a setting.*did you mean PATCHBAY_EGRESS_ALLOW\?"):
        Config.from_env({"PATCHBAY_EGRES_ALLOW": "10.0.0.0/8"})


def test_names_of_the_test_suite_and_of_others_are_left_alone():
    Config.from_env({"PATCHBAY_TEST_REQUIRE": "all", "PATH": "/bin"})


def test_an_empty_value_is_no_value():
    assert Config.from_env({"PATCHBAY_PROXY_HOPS": " ", "PATCHBAY_KEK": ""}).proxy_hops == 0


def test_a_secret_setting_may_come_from_a_file(tmp_path):
    (tmp_path / "url").write_text("postgresql://db.example.com/pb\n")

    config = Config.from_env({"PATCHBAY_DATABASE_URL_FILE": str(tmp_path / "url")})
    assert config.database_url == "postgresql+psycopg://db.example.com/pb"


def test_the_file_of_the_key_is_left_to_the_vault(tmp_path):
    config = Config.from_env({"PATCHBAY_KEK_FILE": str(tmp_path / "kek")})

    assert (config.kek, config.kek_file) == (None, tmp_path / "kek")


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("", "is empty"), (b"\xff\xfe", "not text")]
)
def test_an_unusable_file_is_refused(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "url").write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ConfigError, match=reason) as refused:
        Config.from_env({"PATCHBAY_REDIS_URL_FILE": str(tmp_path / "url")})
    assert refused.value.variable == "PATCHBAY_REDIS_URL_FILE"


def test_a_setting_and_its_file_exclude_each_other(tmp_path):
    with pytest.raises(ConfigError, match="are both set"):
        Config.from_env(
            {"PATCHBAY_REDIS_URL": "redis://h/0", "PATCHBAY_REDIS_URL_FILE": str(tmp_path / "url")}
        )


def test_no_secret_shows_in_the_representation_or_an_error():
    config = Config.from_env({"PATCHBAY_KEK": KEY, "PATCHBAY_DATABASE_URL": "postgresql://u:hunter2@h/d"})
    with pytest.raises(ConfigError) as refused:
        Config.from_env({"PATCHBAY_DATABASE_URL": "mysql://u:hunter2@h/d"})

    assert "hunter2" not in repr(config) + str(refused.value)
    assert "\\x01\\x02" not in repr(config)


OIDC = {
    "PATCHBAY_OIDC_ISSUER": "https://id.example.com",
    "PATCHBAY_OIDC_CLIENT_ID": "patchbay",
    "PATCHBAY_OIDC_CLIENT_SECRET": "s3cret",
}


def test_a_sign_in_provider_is_read_whole():
    more = {"PATCHBAY_OIDC_DOMAINS": "Example.com", "PATCHBAY_OIDC_ROLES": "a=b=admin, staff = viewer"}

    provider = Config.from_env(OIDC | more).oidc

    assert (provider.name, provider.domains) == ("id.example.com", ("example.com",))
    assert provider.roles == (("a=b", "admin"), ("staff", "viewer"))
    assert "s3cret" not in repr(provider)
    assert Config.from_env({}).oidc is None


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"PATCHBAY_OIDC_ISSUER": "id.example.com"}, "OIDC_ISSUER"),
        ({"PATCHBAY_OIDC_ISSUER": "https://id.example.com?x"}, "OIDC_ISSUER"),
        ({"PATCHBAY_OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID"),
        ({"PATCHBAY_OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET"),
        ({"PATCHBAY_OIDC_DEFAULT_ROLE": "king"}, "OIDC_DEFAULT_ROLE"),
        ({"PATCHBAY_OIDC_ROLES": "staff"}, "OIDC_ROLES"),
        ({"PATCHBAY_OIDC_ROLES": "staff=king"}, "OIDC_ROLES"),
    ],
)
def test_half_a_sign_in_provider_stops_the_start(changes, variable):
    with pytest.raises(ConfigError) as refused:
        Config.from_env(OIDC | changes)

    assert refused.value.variable == f"PATCHBAY_{variable}"
