"""The way back in for whoever runs Patchbay, and the check of the audit."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from tests.codes import enrol
from tests.people import form_token, make_user, sign_in
from webapp.vault import anchor, audit


@pytest.fixture
def flask(app):
    """Run a command: `flask("users", "list")`."""
    runner = app.test_cli_runner()
    return lambda *words, **options: runner.invoke(args=words, **options)


def test_the_list_names_everybody(app, flask):
    make_user(app, "owner")
    make_user(app, "viewer")

    answer = flask("users", "list")

    assert answer.exit_code == 0
    assert re.search(r"owner@example\.com +owner +active +- +never", answer.output)
    assert "viewer@example.com" in answer.output


def test_a_lost_phone_of_the_only_owner_is_no_end(app, flask, clock):
    user = make_user(app, "owner")
    client = sign_in(app.test_client(), user)
    enrol(client, clock)

    answer = flask("users", "reset-mfa", "--email", "OWNER@example.com")

    assert answer.exit_code == 0
    assert client.get("/account").location.startswith("/login")
    assert sign_in(app.test_client(), user).get("/account").status_code == 200


def test_a_lost_password_of_the_only_owner_is_no_end(app, flask):
    make_user(app, "owner")

    link = re.search(
        r"http://[^/]+(/join/\S+)", flask("users", "reset-password", "--email", "owner@example.com").output
    )[1]

    client = app.test_client()
    form = {"csrf_token": form_token(client, link), "password": "gravel sonnet tundra kite"}
    assert client.post(link, data=form).status_code == 303
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize("command", ["reset-mfa", "reset-password", "enable"])
def test_an_unknown_address_is_said(flask, command):
    answer = flask("users", command, "--email", "nobody@example.com")

    assert answer.exit_code == 1
    assert "Nobody has the address nobody@example.com" in answer.output


def test_verify_follows_the_chain(app, flask, runtime):
    assert flask("audit", "verify").output == "OK  0 entries\n"
    make_user(app, "owner")

    answer = flask("audit", "verify")

    assert (answer.exit_code, answer.output) == (0, "OK  1 entries; anchored at 1, since 1\n")


def test_verify_names_what_is_wrong(app, flask, runtime):
    for number in range(3):
        make_user(app, "viewer", f"{number}@example.com")
    with runtime.engine.begin() as connection:
        if runtime.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_entries_no_update"))
        else:
            connection.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        connection.execute(text("UPDATE audit_entries SET actor = 'x' WHERE seq = 2"))

    answer = flask("audit", "verify")

    assert (answer.exit_code, answer.output) == (1, "BROKEN  entry 2 was changed\n")


def test_a_missing_copy_is_not_passed_over(app, flask, runtime):
    make_user(app, "owner")
    (runtime.config.data_dir / anchor.FILE).unlink()

    answer = flask("audit", "verify")

    assert answer.exit_code == 1
    assert answer.output.startswith("NO ANCHOR")


def test_reanchor_asks_first_and_leaves_its_trace(app, flask, runtime):
    make_user(app, "owner")

    assert flask("audit", "reanchor", input="n\n").exit_code == 1
    assert flask("audit", "reanchor", "--yes").exit_code == 0

    with runtime.sessions() as session:
        report = audit.report(session, runtime)
        assert (report.entries, report.anchored, report.flaw) == (2, 2, None)
        assert session.get(audit.AuditEntry, 2).action == "audit.reanchor"
