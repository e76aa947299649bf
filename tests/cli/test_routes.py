"""Routes and the reconcile list on the command line."""

from __future__ import annotations

import json

import pytest

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
    listed = run("route", "list").output

    assert "MAIL  EMAIL_SERVICE" in listed
    assert listed.index("1. Spare") < listed.index("2. Main")
    assert json.loads(run("route", "list", "--json").output)["name"] == "MAIL"


def test_explain_says_who_would_be_tried_and_why_not_the_others(run, route):
    answer = run("route", "explain", "MAIL")

    assert answer.exit_code == 0
    assert "skipped  Spare  CONFIG_DISABLED" in answer.output
    assert "first    Main" in answer.output
    assert json.loads(run("route", "explain", "MAIL", "--json").output)["service_name"] == "Main"


def test_explain_fails_when_nobody_could_be_tried(run):
    answer = run("route", "explain", "NOBODY", "--operation", "email.send")

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
