"""The command line does what its help says, and says plainly when it cannot."""

from __future__ import annotations

import json

import pytest

from webapp.registry import services
from webapp.sandbox import credentials
from webapp.sandbox.server import serve_in_thread


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *words, stdin=None: runner.invoke(args=words, input=stdin)


@pytest.fixture
def sandbox():
    server = serve_in_thread()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def mail(runtime, sandbox):
    """An enabled mail service on the sandbox."""
    values = {
        "api_key": credentials.SENDGRID_API_KEY,
        "from_email": "no-reply@example.com",
        "base_url": f"http://127.0.0.1:{sandbox.port}",
    }
    with runtime.sessions() as session:
        service = services.create(
            session,
            runtime,
            name="Mail",
            service_type="EMAIL_PROVIDER_SENDGRID",
            configurations=values,
            is_enabled=True,
            actor="tests",
            origin="cli",
        )
        session.commit()
        return service


def test_init_prints_the_set_up_link_until_somebody_owns_it(run, client):
    link = next(word for word in run("init").output.split() if "/setup/" in word)
    assert client.get(link.partition("5000")[2]).status_code == 200

    made = run(
        "users",
        "create",
        "--email",
        "lin@example.com",
        "--role",
        "owner",
        "--password-stdin",
        stdin="lantern quarry moss\n",
    )
    assert made.exit_code == 0, made.output
    assert "/setup/" not in run("init").output


def test_a_weak_password_is_refused_with_the_reason(run):
    refused = run(
        "users",
        "create",
        "--email",
        "lin@example.com",
        "--role",
        "admin",
        "--password-stdin",
        stdin="short\n",
    )

    assert refused.exit_code == 1
    assert "12" in refused.output


def test_the_token_stands_alone_and_opens_the_api(run, client):
    made = run("tokens", "create", "--name", "ci", "--scope", "all")

    assert made.exit_code == 0
    token = made.output.strip()
    assert " " not in token
    assert (
        client.get("/integrations/services", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    )


def test_an_unknown_scope_is_named(run):
    refused = run("tokens", "create", "--name", "ci", "--scope", "everything")

    assert refused.exit_code == 1
    assert "everything" in refused.output


def test_services_are_listed_for_people_and_for_programs(run, mail):
    assert mail.service_id in run("services", "list").output
    listed = [json.loads(line) for line in run("services", "list", "--json").output.splitlines()]
    assert [(one["service_name"], one["is_enabled"]) for one in listed] == [("Mail", True)]


def test_a_service_is_tested_stage_by_stage(run, mail, sandbox):
    tested = run("services", "test", mail.service_id)
    assert tested.exit_code == 0, tested.output
    assert tested.output.splitlines()[-1] == "verified"

    sandbox.app.test_client().put("/_sandbox/knobs/sendgrid", json={"failure": "unauthorized"})
    assert run("services", "test", mail.service_id).exit_code == 1
    assert run("services", "test", "nobody").exit_code == 1


def test_a_call_prints_its_result_or_its_problem(run, mail):
    params = json.dumps({"to": "user@example.com", "subject": "Hi", "text": "Hello"})

    sent = run("call", "email.send", "--prefer", "EMAIL_SERVICE", "--params", params, "--point", "demo.hello")
    assert sent.exit_code == 0, sent.output
    assert json.loads(sent.output)["outcome"] == "succeeded"

    refused = run("call", "email.send", "--prefer", "EMAIL_SERVICE", "--params", "{}")
    assert refused.exit_code == 1
    assert json.loads(refused.output)["code"] == "REQUEST_INVALID"


def test_parameters_that_are_not_json_are_a_usage_error(run):
    assert run("call", "email.send", "--params", "{oops").exit_code == 2


def test_parameters_can_come_from_standard_input(run, mail):
    params = json.dumps({"to": "user@example.com", "subject": "Hi", "text": "Hello"})

    assert (
        run("call", "email.send", "--prefer", mail.service_id, "--params", "-", stdin=params).exit_code == 0
    )


def test_without_a_database_every_command_says_so_in_a_sentence(tmp_path):
    from webapp import create_app
    from webapp.config import Config

    app = create_app(Config.from_env({"PATCHBAY_DATA_DIR": str(tmp_path / "new")}))
    for words in (
        ["services", "list"],
        ["tokens", "create", "--name", "ci", "--scope", "all"],
        ["users", "list"],
    ):
        refused = app.test_cli_runner().invoke(args=words)

        assert refused.exit_code == 1, refused.output
        assert refused.output.startswith("Error: The database cannot be used")
        assert len(refused.output.splitlines()) == 1
        assert "init" in refused.output


def test_init_names_the_key_that_is_missing(config, clock):
    from webapp import create_app

    key = config.data_dir / "patchbay.key"
    said = ""
    for _ in range(2):
        app = create_app(config, clock=clock)
        said = app.test_cli_runner().invoke(args=["init"]).output
        app.extensions["patchbay"].close()
        key.unlink(missing_ok=True)

    assert "LOCKED" in said
    assert "key_" not in said
