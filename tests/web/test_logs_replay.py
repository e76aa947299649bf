"""Making a failed call again: only what certainly was not done, only where its input is kept, and only once at a time."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.logfiles import ask
from tests.web.services import add_at
from webapp.engine import replay
from webapp.engine.problems import PatchbayError
from webapp.models.audit import AuditEntry
from webapp.models.log_view import KeptInput
from webapp.models.secret import Secret
from webapp.registry.errors import Conflict, NotFound
from webapp.sandbox.server import serve_in_thread

MAIL = {"to": "somebody@example.com", "subject": "欢迎", "text": "Your code is 4711-canary"}


@pytest.fixture
def sandbox():
    server = serve_in_thread()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def knob(sandbox):
    def turn(failure, when="before"):
        sandbox.app.test_client().put("/_sandbox/knobs/sendgrid", json={"failure": failure, "when": when})

    return turn


@pytest.fixture
def fails(runtime, sandbox, knob):
    """Makes a call that the vendor refuses; answers its id."""

    def call(*, keep=True, name="Mail"):
        service_id = add_at(
            runtime, f"http://127.0.0.1:{sandbox.port}", name, is_enabled=True, sandbox=True, keep_inputs=keep
        )
        knob("unauthorized")
        with pytest.raises(PatchbayError) as refused:
            runtime.hub.call("email.send", MAIL, prefer=[service_id], point="signup", correlation_id="c-1")
        return refused.value.call_id

    return call


def reason(runtime, call_id):
    with runtime.sessions() as session:
        refused = replay.refusal(session, runtime, runtime.log.call(call_id))
    return str(refused) if refused else None


def test_a_failed_call_is_made_again_and_linked_both_ways(runtime, fails, knob):
    call_id = fails()
    knob("none")

    made = replay.replay(runtime, call_id, actor="lin@example.com")

    assert made.outcome == "succeeded"
    new = runtime.log.call(made.call_id)
    assert (new.correlation_id, new.integration_point, new.caller) == ("c-1", "signup", "replay")
    with runtime.sessions() as session:
        assert [one.call_id for one in replay.again(session, call_id)] == [made.call_id]
        assert replay.origin(session, made.call_id).original_id == call_id
        (entry,) = session.query(AuditEntry).filter_by(action="logs.replay")
    assert (entry.actor, entry.target, entry.detail["outcome"]) == (
        "lin@example.com",
        str(call_id),
        "succeeded",
    )


def test_what_was_made_again_and_done_is_not_made_again(runtime, fails, knob):
    call_id = fails()
    knob("none")
    replay.replay(runtime, call_id, actor="a")

    with pytest.raises(Conflict) as refused:
        replay.replay(runtime, call_id, actor="b")

    assert refused.value.code == "REPLAY_REFUSED"
    assert "made again already" in str(refused.value.message)


def test_what_failed_again_may_be_made_once_more(runtime, fails, knob):
    call_id = fails()

    first = replay.replay(runtime, call_id, actor="a")
    knob("none")
    second = replay.replay(runtime, call_id, actor="a")

    assert (first.outcome, second.outcome) == ("failed", "succeeded")
    assert first.call_id != second.call_id


def test_a_service_that_keeps_nothing_has_nothing_to_make_again(runtime, fails):
    call_id = fails(keep=False)

    assert "not kept" in reason(runtime, call_id)
    with runtime.sessions() as session:
        assert session.scalars(select(KeptInput)).all() == []


def test_the_input_lies_sealed_and_nowhere_else(runtime, fails):
    fails()

    with runtime.engine.connect() as connection:
        tables = {table: connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("secrets", "kept_inputs", "calls", "audit_entries")}  # fmt: skip
    tables["call_logs"] = ask(runtime.engine, text("SELECT * FROM call_logs"))
    assert tables["kept_inputs"]
    assert "4711-canary" not in str(tables)
    assert "somebody@example.com" not in str(tables)


def test_a_call_that_succeeded_is_not_kept_and_not_made_again(runtime, fails, knob):
    fails()
    knob("none")
    result = runtime.hub.call("email.send", MAIL, prefer=["EMAIL_SERVICE"])

    assert "second time" in reason(runtime, result.call_id)
    with runtime.sessions() as session:
        assert session.get(KeptInput, result.call_id) is None


def test_a_call_of_unknown_outcome_belongs_to_the_reconcile_list(runtime, fails, knob):
    fails()
    knob("drop", "after")
    with pytest.raises(PatchbayError) as unknown:
        runtime.hub.call("email.send", MAIL, prefer=["EMAIL_SERVICE"])

    assert unknown.value.code == "AMBIGUOUS_OUTCOME"
    assert "reconcile list" in reason(runtime, unknown.value.call_id)


def test_an_input_goes_with_the_bodies(runtime, clock, fails):
    call_id = fails()

    clock.at += timedelta(days=8)
    assert replay.forget_old(runtime) == 1

    assert "not kept" in reason(runtime, call_id)
    with runtime.sessions() as session:
        assert session.scalars(select(Secret).where(Secret.owner_type == "input")).all() == []


def test_a_call_that_does_not_exist_cannot_be_made_again(runtime):
    with pytest.raises(NotFound):
        replay.replay(runtime, 1, actor="a")


def test_a_person_makes_it_again_from_its_page(operator_client, runtime, fails, knob):
    call_id = fails()
    assert "Make this call again?" in operator_client.get(f"/logs/{call_id}").text
    knob("none")

    answer = operator_client.post(f"/logs/{call_id}/replay")

    assert answer.status_code == 303
    new = answer.headers["Location"]
    page = operator_client.get(new).text
    assert f'<a href="/logs/{call_id}">' in page
    assert "made again and succeeded" in page
    assert f'<a href="{new}">' in operator_client.get(f"/logs/{call_id}").text


def test_a_viewer_is_told_why_not(viewer_client, fails):
    call_id = fails()

    assert "You may not make calls." in viewer_client.get(f"/logs/{call_id}").text
    assert viewer_client.post(f"/logs/{call_id}/replay").status_code == 403


def test_the_page_says_why_not(operator_client, fails):
    call_id = fails(keep=False)

    assert "does not keep the input of calls" in operator_client.get(f"/logs/{call_id}").text
    answer = operator_client.post(f"/logs/{call_id}/replay", follow_redirects=True)
    assert "does not keep the input of calls" in answer.text


def test_a_program_makes_it_again(client, token, fails, knob):
    call_id = fails()
    knob("none")

    made = client.post(f"/integrations/calls/{call_id}/replay", headers=token("calls:write"))
    again = client.post(f"/integrations/calls/{call_id}/replay", headers=token("calls:write"))

    assert (made.status_code, made.json["outcome"], made.json["replay_of"]) == (
        201,
        "succeeded",
        str(call_id),
    )
    assert (again.status_code, again.json["code"]) == (409, "REPLAY_REFUSED")
    assert client.post("/integrations/calls/1/replay", headers=token("calls:write")).status_code == 404
    assert client.post("/integrations/calls/x/replay", headers=token("calls:write")).status_code == 404
    assert client.post(f"/integrations/calls/{call_id}/replay", headers=token("logs:read")).status_code == 403


def test_program_and_command_line_are_told_of_both_links(app, client, token, runtime, fails, knob):
    call_id = fails()
    knob("none")
    made = replay.replay(runtime, call_id, actor="lin@example.com").call_id
    run = app.test_cli_runner().invoke

    first = client.get(f"/integrations/calls/{call_id}", headers=token("calls:read")).json
    second = client.get(f"/integrations/calls/{made}", headers=token("calls:read")).json
    shown = run(args=["logs", "show", str(call_id)]).output
    as_json = json.loads(run(args=["logs", "show", str(made), "--json"]).output)

    assert [(one["call_id"], one["actor"]) for one in first["replays"]] == [(str(made), "lin@example.com")]
    assert (first["replay_of"], second["replay_of"], second["replays"]) == (None, str(call_id), [])
    assert f"made again as {made} by lin@example.com" in shown
    assert as_json == second
    assert f"makes {call_id} again" in run(args=["logs", "show", str(made)]).output
    assert run(args=["logs", "show", "7"]).exit_code == 1
