"""The application is put together from its configuration, and refuses to start when it may not."""

from __future__ import annotations

import dataclasses

import pytest
from flask import request

from webapp import create_app, hub
from webapp.config import ConfigError
from webapp.extensions import db
from webapp.extensions import runtime as current_runtime
from webapp.models import Service
from webapp.runtime import Runtime
from webapp.vault import KeyRefused
from webapp.vault.keyfile import make_key
from webapp.vault.sources import KEK_FILE


@pytest.fixture
def make(config, clock):
    """Make an application with some settings changed."""
    made = []

    def make(**changes):
        made.append(Runtime.create(dataclasses.replace(config, **changes), clock))
        app = create_app(runtime=made[-1])
        app.add_url_rule("/seen", "seen", lambda: f"{request.remote_addr} {request.host_url}")
        return app

    yield make
    for runtime in made:
        runtime.close()


def test_pages_and_engine_share_one_database(app, runtime):
    with app.app_context():
        assert current_runtime() is runtime
        assert db.engine is runtime.engine
        db.session.add(Service(service_name="Mail", service_type="T", contract="C"))
        db.session.commit()

    with runtime.sessions() as session:
        assert session.query(Service).count() == 1


def test_the_hub_is_that_of_the_current_application(app, runtime):
    with app.app_context():
        assert hub._get_current_object() is runtime.hub


def test_limits_and_keys_are_set(app, runtime):
    assert app.config["MAX_CONTENT_LENGTH"] == 1024 * 1024
    assert app.config["SECRET_KEY"] == runtime.vault.derive(b"flask")
    assert not app.debug


def test_the_key_of_cookies_survives_a_restart_and_a_new_key_of_secrets(make, tmp_path):
    first = make().config["SECRET_KEY"]

    other = tmp_path / "other"
    assert make().config["SECRET_KEY"] == first
    assert make(data_dir=other, kek=make_key()).config["SECRET_KEY"] != first
    assert other.stat().st_mode & 0o777 == 0o700


def test_a_body_that_is_too_long_is_refused(app):
    @app.post("/length")
    def length():
        return str(len(request.get_data()))

    from webapp.extensions import csrf

    csrf.exempt(length)
    assert app.test_client().post("/length", data=b"x" * 1024 * 1024).status_code == 200
    assert app.test_client().post("/length", data=b"x" * (1024 * 1024 + 1)).status_code == 413


def test_headers_of_proxies_are_believed_only_when_there_are_proxies(make):
    headers = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "patchbay.example.com",
    }

    assert make().test_client().get("/seen", headers=headers).text == "127.0.0.1 http://localhost/"
    behind = make(proxy_hops=1).test_client().get("/seen", headers=headers)
    assert behind.text == "203.0.113.9 https://patchbay.example.com/"


def test_foreign_hosts_are_refused(make):
    client = make(trusted_hosts=("patchbay.example.com",)).test_client()

    assert client.get("/seen", base_url="http://patchbay.example.com").status_code == 200
    assert client.get("/seen", base_url="http://evil.example.net").status_code == 400


def test_a_key_that_others_can_read_stops_the_start(make, config):
    make()
    (config.data_dir / KEK_FILE).chmod(0o644)

    with pytest.raises(KeyRefused, match="chmod 600"):
        make()


def test_a_data_directory_that_cannot_be_made_stops_the_start(make, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="PATCHBAY_DATA_DIR"):
        make(data_dir=tmp_path / "file" / "data")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////nowhere/at/all/patchbay.sqlite3", "No such file"),
        ("postgresql+psycopg://patchbay:hunter2@127.0.0.1:9/patchbay?connect_timeout=3", "does not answer"),
    ],
)
def test_a_database_that_cannot_be_reached_stops_the_start(make, url, reason):
    with pytest.raises(ConfigError, match=f"PATCHBAY_DATABASE_URL.*{reason}") as refused:
        make(database_url=url)
    assert "hunter2" not in str(refused.value)


def test_a_new_database_file_is_for_its_owner_only(make, tmp_path):
    path = tmp_path / "new.sqlite3"
    make(database_url=f"sqlite:///{path}")

    assert path.stat().st_mode & 0o777 == 0o600


def test_an_application_starts_before_the_first_migration(make, tmp_path):
    app = make(database_url=f"sqlite:///{tmp_path / 'new.sqlite3'}")

    assert app.test_client().get("/healthz").status_code == 200
