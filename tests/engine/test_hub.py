"""A call from its parameters to its outcome, through the public door, over real sockets."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from tests.engine.conftest import API_KEY, MAIL
from tests.engine.vendor import CLOSE, HANG, RESET, answer, closed_port
from webapp.engine import PatchbayError
from webapp.log.filters import LogFilter
from webapp.log.tables import calls
from webapp.models.secret import Secret
from webapp.vault import Denied, KeyDisabled, Unavailable


def problem_of(runtime, **how):
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("email.send", how.pop("params", MAIL), **how)
    return caught.value


def test_a_call_succeeds_and_is_on_record(runtime, vendor, service):
    peer = vendor()
    mail = service(peer.url)

    result = runtime.hub.call(
        "email.send", MAIL, prefer=mail, point="signup.welcome_mail", correlation_id="signup-42"
    )

    assert result.to_dict() | {"duration_ms": 0} == {
        "call_id": str(result.call_id),
        "outcome": "succeeded",
        "service_id": mail,
        "service_type": "EMAIL_PROVIDER_SENDGRID",
        "result": {"message_id": "m-1", "refused": []},
        "attempts": 1,
        "duration_ms": 0,
        "correlation_id": "signup-42",
    }
    call = runtime.log.call(result.call_id)
    (attempt,) = call.attempts
    assert (call.outcome, call.effect, call.service_id, call.attempt_count) == ("succeeded", "DONE", mail, 1)
    assert (attempt.outcome, attempt.effect, attempt.code, attempt.response_status_code) == (
        "succeeded",
        "DONE",
        None,
        202,
    )
    assert attempt.integration_point == "signup.welcome_mail"
    assert attempt.request_endpoint == f"POST {peer.url}/v3/mail/send"
    assert attempt.recipient_mask == "l***@example.com"
    assert attempt.next == "done"
    bodies = runtime.log.bodies(attempt.log_id)
    assert bodies.request_headers["Authorization"] == "Bearer ***"
    assert "lin@example.com" not in bodies.request_payload
    assert "Welcome!" in bodies.request_payload


def test_backup_takes_over_when_the_port_of_the_primary_is_closed(runtime, vendor, service, route):
    peer = vendor()
    primary, backup = service(f"http://127.0.0.1:{closed_port()}"), service(peer.url)
    route("EMAIL_PROVIDER_PRIMARY", primary)
    route("EMAIL_PROVIDER_BACKUP", backup)

    result = runtime.hub.call("email.send", MAIL, prefer=["EMAIL_PROVIDER_PRIMARY", "EMAIL_PROVIDER_BACKUP"])

    assert (result.service_id, result.attempts) == (backup, 4)
    *refused, sent = runtime.log.call(result.call_id).attempts
    assert [(row.code, row.effect, row.next, row.service_id) for row in refused] == [
        ("CONNECT_REFUSED", "NONE", follows, primary) for follows in ("retry", "retry", "failover")
    ]
    assert (sent.code, sent.effect, sent.next, sent.service_id) == (None, "DONE", "done", backup)
    assert len(peer.requests) == 1


REJECTED_ELSEWHERE = [
    (401, "VENDOR_AUTH_REJECTED"),
    (402, "VENDOR_QUOTA_EXHAUSTED"),
    (403, "VENDOR_PERMISSION_DENIED"),
]


@pytest.mark.parametrize(("status", "code"), REJECTED_ELSEWHERE)
def test_a_rejection_for_reasons_of_the_account_lets_the_backup_try(runtime, vendor, service, status, code):
    refusing, peer = vendor(answer(status)), vendor()
    names = [service(refusing.url), service(peer.url)]

    result = runtime.hub.call("email.send", MAIL, prefer=names)

    assert result.attempts == 2
    assert runtime.log.call(result.call_id).attempts[0].code == code


@pytest.mark.parametrize("does", [RESET, CLOSE, answer(500), answer(502), answer(503)])
def test_what_may_have_been_done_is_never_sent_elsewhere(runtime, vendor, service, does):
    unsure, backup = vendor(does), vendor()

    error = problem_of(runtime, prefer=[service(unsure.url), service(backup.url)])

    assert (error.code, error.effect, error.status, error.retryable) == (
        "AMBIGUOUS_OUTCOME",
        "UNKNOWN",
        502,
        False,
    )
    assert error.cause_code
    assert len(unsure.requests) == 1
    assert backup.requests == []
    call = runtime.log.call(error.call_id)
    assert (call.outcome, call.attempts[0].outcome, call.attempts[0].next) == (
        "unknown",
        "unknown",
        "reconcile",
    )


def test_a_caller_who_allows_duplicates_gets_one_more_service(runtime, vendor, service):
    unsure, also_unsure, third = vendor(RESET), vendor(RESET), vendor()
    names = [service(unsure.url), service(also_unsure.url), service(third.url)]

    error = problem_of(runtime, prefer=names, duplicates="allow")

    assert error.code == "AMBIGUOUS_OUTCOME"
    assert (len(unsure.requests), len(also_unsure.requests), len(third.requests)) == (1, 1, 0)


def test_a_request_the_vendor_does_not_accept_stops_the_call(runtime, vendor, service):
    refusing, backup = vendor(answer(400, {"errors": [{"field": "to", "message": "no such user"}]})), vendor()

    error = problem_of(runtime, prefer=[service(refusing.url), service(backup.url)])

    assert (error.code, error.status, error.effect) == ("VENDOR_REJECTED_REQUEST", 422, "REJECTED")
    assert error.vendor["status"] == 400
    assert backup.requests == []


def test_a_vendor_that_hangs_is_cut_off_in_time(runtime, vendor, service):
    slow = vendor(HANG)

    error = problem_of(runtime, prefer=service(slow.url), deadline_ms=800)

    assert error.code == "AMBIGUOUS_OUTCOME"
    assert error.attempts[0]["duration_ms"] < 2000


def test_everything_skipped_is_told_with_its_reason(runtime, service, session):
    disabled, unreadable = service("http://127.0.0.1:1", enabled=False), service("http://127.0.0.1:2")
    session.execute(update(Secret).where(Secret.owner_id == unreadable).values(ct="x" * 40))
    session.commit()

    error = problem_of(runtime, prefer=["NOBODY", disabled, unreadable, "SMS_SERVICE"])

    assert (error.code, error.status) == ("NO_PROVIDER_AVAILABLE", 503)
    assert [candidate["code"] for candidate in error.candidates] == [
        "CONFIG_NOT_FOUND",
        "CONFIG_DISABLED",
        "CREDENTIALS_UNREADABLE",
        "CONFIG_NOT_FOUND",
    ]
    (row,) = runtime.log.search(LogFilter(call_id=error.call_id)).items
    assert (row.kind, row.code, row.service_id) == ("local", "CREDENTIALS_UNREADABLE", unreadable)
    assert runtime.log.call(error.call_id).candidates[1]["reason"] == "Mail 1 is disabled."


@pytest.mark.parametrize("name", ["EMAIL_PROVIDER_SENDGRID", "EMAIL_SERVICE", ()])
def test_a_type_a_contract_and_nothing_lead_to_the_services(runtime, vendor, service, name):
    service("http://127.0.0.1:1", enabled=False)
    mail = service(vendor().url)

    result = runtime.hub.call("email.send", MAIL, prefer=name)

    assert result.service_id == mail
    assert [candidate["status"] for candidate in runtime.log.call(result.call_id).candidates] == [
        "skipped",
        "succeeded",
    ]


BAD = [
    ({"params": {**MAIL, "to": "nobody"}}, "/params/to"),
    ({"params": {**MAIL, "subject": "a\r\nBcc: x@example.com"}}, "/params/subject"),
    ({"params": {**MAIL, "colour": "red"}}, "/params/colour"),
    ({"params": []}, "/params"),
    ({"deadline_ms": 0}, "/deadline_ms"),
    ({"deadline_ms": -1}, "/deadline_ms"),
    ({"deadline_ms": 45_001}, "/deadline_ms"),
    ({"deadline_ms": "5"}, "/deadline_ms"),
    ({"call_key": "k" * 256}, "/call_key"),
    ({"call_key": "a\nb"}, "/call_key"),
    ({"correlation_id": "a\r\nb"}, "/correlation_id"),
    ({"point": ""}, "/integration_point"),
    ({"prefer": [""]}, "/service_type_preference/0"),
    ({"prefer": ["x"] * 21}, "/service_type_preference"),
    ({"duplicates": "maybe"}, "/duplicates"),
]


@pytest.mark.parametrize(("how", "pointer"), BAD)
def test_bad_input_is_refused_with_a_pointer_and_nothing_is_kept(runtime, how, pointer, session):
    error = problem_of(runtime, **how)

    assert (error.code, error.status) == ("REQUEST_INVALID", 422)
    assert [str(fault["pointer"])[: len(pointer)] for fault in error.errors] == [pointer]
    assert session.execute(select(calls)).all() == []


def test_an_unknown_operation_is_bad_input(runtime):
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("mail.fly", {})

    assert caught.value.errors[0]["pointer"] == "/operation"


def test_a_problem_document_is_complete_and_holds_no_secret(runtime, vendor, service):
    echo = vendor(answer(400, {"errors": [{"field": "key", "message": f"bad key {API_KEY}"}]}))

    problem = problem_of(runtime, prefer=service(echo.url)).to_problem()

    assert problem["type"] == "urn:patchbay:problem:vendor-rejected-request"
    assert {"title", "status", "detail", "code", "effect", "call_id", "attempts", "candidates"} <= set(
        problem
    )
    assert API_KEY not in repr(problem)


def test_every_message_of_a_problem_is_a_sentence_and_the_record_keeps_it_translatable(
    runtime, vendor, service
):
    refusing, disabled = vendor(answer(401)), service("http://127.0.0.1:1", enabled=False)

    error = problem_of(runtime, prefer=[disabled, service(refusing.url)])
    told = error.to_problem("~{}".format)["attempts"] + error.to_problem()["candidates"]

    assert [type(entry["message"]) for entry in told] == [str] * 3
    assert told[0]["message"].startswith("~")
    assert told[1]["message"] == "Mail 1 is disabled."
    record = runtime.log.call(error.call_id)
    assert record.candidates[0]["message"]["msgid"] == "%(name)s is disabled."
    assert set(record.problem["attempts"][0]["message"]) == {"msgid", "values"}


def test_a_key_that_is_away_is_told_apart_from_credentials_that_are_lost(runtime, vendor, service, config):
    peer, key = vendor(), config.data_dir / "patchbay.key"
    mail, content = service(peer.url), key.read_bytes()
    key.unlink()
    runtime.vault.prepare()

    error = problem_of(runtime, prefer=mail)
    assert (error.code, error.status, error.retryable) == ("KEY_UNAVAILABLE", 503, True)
    assert error.retry_after_ms > 0
    assert peer.requests == []

    key.write_bytes(content)
    key.chmod(0o600)
    runtime.vault.prepare()
    assert runtime.hub.call("email.send", MAIL, prefer=mail).service_id == mail


@pytest.mark.parametrize("refusal", [Unavailable, Denied, KeyDisabled])
def test_a_provider_that_does_not_open_a_data_key_keeps_only_its_services_back(
    runtime, vendor, service, monkeypatch, refusal
):
    peer = vendor()
    mail = service(peer.url)
    runtime.vault.forget()
    (provider,) = runtime.vault.keys

    def refuse(*_):
        raise refusal("not now")

    monkeypatch.setattr(type(provider), "unwrap", refuse)
    assert problem_of(runtime, prefer=mail).code == "KEY_UNAVAILABLE"
    assert peer.requests == []
