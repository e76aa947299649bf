"""Configuration as files on the command line."""

from __future__ import annotations

import json
import stat

import pytest

from webapp.registry import services


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *words, stdin=None: runner.invoke(args=["services", *map(str, words)], input=stdin)


@pytest.fixture
def mail(runtime):
    with runtime.sessions() as session:
        values = {"api_key": "SG.first-secret-value", "from_email": "a@example.com"}
        service = services.create(
            session, runtime, name="Mail", service_type="EMAIL_PROVIDER_SENDGRID", configurations=values,
            actor="tests", origin="cli",
        )  # fmt: skip
        session.commit()
        return service


def test_export_change_look_apply(run, mail, tmp_path, runtime):
    file = tmp_path / "mail.yaml"
    assert run("export", file).exit_code == 0
    file.write_text(file.read_text().replace("is_enabled: false", "is_enabled: true"))

    looked = run("apply", file, "--dry-run")
    assert looked.exit_code == 0
    assert "~ Mail  EMAIL_PROVIDER_SENDGRID  update" in looked.output
    assert "is_enabled: false → true" in looked.output
    assert run("apply", file, stdin="n\n").exit_code == 1

    assert run("apply", file, "--yes").exit_code == 0

    with runtime.sessions() as session:
        assert services.find(session, mail.service_id).is_enabled
        assert services.history.revision(session, mail.service_id, 2).note.startswith("mail.yaml (sha256 ")
    assert "= Mail" in run("apply", file, "--yes").output


def test_what_stands_in_the_way_is_said_with_status_1(run, mail):
    text = run("export", "--service", mail.service_id).output
    moved = text.replace("region: global", "region: eu")

    refused = run("apply", "-", "--yes", stdin=moved)
    assert refused.exit_code == 1
    assert "/services/0/secrets/api_key" in refused.output
    assert json.loads(run("apply", "-", "--dry-run", "--json", stdin=text).stdout)["ok"] is True
    assert run("export", "--service", "none").exit_code == 1
    assert run("apply", "-", stdin="patchbay: 2").exit_code == 1


def test_secrets_are_asked_for(run, mail, tmp_path, runtime):
    file = tmp_path / "mail.yaml"
    file.write_text(run("export").output.replace("region: global", "region: eu"))

    assert run("apply", file, "--yes", "--ask-secrets", stdin="SG.for-europe-only\n").exit_code == 0

    with runtime.sessions() as session:
        stored = services.find(session, mail.service_id)
        assert runtime.vault.open(session, stored.secrets["api_key"]) == "SG.for-europe-only"


def test_sealed_secrets_are_for_their_owner_only(run, mail, tmp_path):
    file = tmp_path / "all.yaml"
    typed = "lantern quarry velvet moss\n"
    assert run("export", file, "--with-secrets", stdin=typed * 2).exit_code == 0

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "SG.first" not in file.read_text()
    assert run("apply", file, "--dry-run").exit_code == 1
    assert run("apply", file, "--dry-run", "--ask-passphrase", stdin=typed).exit_code == 0
    assert run("export", file, "--with-secrets", stdin="short\n" * 2).exit_code == 1
