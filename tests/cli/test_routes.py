"""Routes and the reconcile list on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from webapp.commands.plugin import install
from webapp.registry import routes, services

CONFIG = {"api_key": "SG.a-key-that-is-long-enough", "from_email": "no-reply@example.com"}


@pytest.fixture
def run(app):
    def invoke(*args):
        return app.test_cli_runner().invoke(args=list(args))

    return invoke


@pytest.fixture
def route(runtime):
    with runtime.sessions() as session:
        made = [
            services.create(
                session, runtime, name=name, service_type="EMAIL_PROVIDER_SENDGRID", configurations=CONFIG,
                actor="tests", origin="cli", is_enabled=name == "Main",
            )
            for name in ("Spare", "Main")
        ]  # fmt: skip
        values = {"name": "MAIL", "contract": "EMAIL_SERVICE", "members": [one.service_id for one in made]}
        routes.create(session, runtime, values, actor="tests")
        session.commit()


def test_routes_are_listed_with_their_services(run, route):
    listed = run("routes", "list").output

    assert "MAIL  EMAIL_SERVICE" in listed
    assert listed.index("1. Spare") < listed.index("2. Main")
    assert json.loads(run("routes", "list", "--json").output)["name"] == "MAIL"


def test_the_commands_stand_below_those_of_flask(config, run, route, tmp_path):
    """As an operator types it, in an environment into which the plug-in was put."""
    install(tmp_path)
    given = {
        "PYTHONPATH": str(tmp_path),
        "PATCHBAY_DATA_DIR": str(config.data_dir),
        "PATCHBAY_DATABASE_URL": config.database_url,
    }

    def flask(*args):
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *args]
        return subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=False)

    assert "MAIL  EMAIL_SERVICE" in flask("routes", "list").stdout
    addresses = flask("routes", "--sort", "rule").stdout
    assert "/integrations" in addresses
    assert "MAIL" not in addresses


def test_a_name_that_is_no_command_is_refused(run):
    assert run("routes", "wander").exit_code == 2
    assert run("route", "list").exit_code == 0


def test_explain_says_who_would_be_tried_and_why_not_the_others(run, route):
    answer = run("routes", "explain", "MAIL")

    assert answer.exit_code == 0
    assert "skipped  Spare  CONFIG_DISABLED" in answer.output
    assert "first    Main" in answer.output
    assert json.loads(run("routes", "explain", "MAIL", "--json").output)["service_name"] == "Main"


def test_explain_fails_when_nobody_could_be_tried(run):
    answer = run("routes", "explain", "NOBODY", "--operation", "email.send")

    assert answer.exit_code == 1
    assert "CONFIG_NOT_FOUND" in answer.output


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["route", "explain", "NOBODY"], "--operation"),
        (["route", "explain", "X", "--operation", "mail.fly"], "/operation"),
        (["route", "drill", "NOBODY"], "no route of this name"),
        (["reconcile", "mark", "42", "failed", "--note", "x"], "no such call"),
        (["reconcile", "resend", "42", "--note", "x"], "accept"),
        (["reconcile", "mark", "42", "failed", "--note", " "], "how you know"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(run, args, word):
    answer = run(*args)

    assert answer.exit_code != 0
    assert word in answer.output
    assert "Traceback" not in answer.output


def test_an_empty_reconcile_list_is_empty(run):
    assert run("reconcile", "list").output == ""
