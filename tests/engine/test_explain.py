"""Explain answers what a call would do, decides as the call does, and sends nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from tests.engine.conftest import MAIL
from tests.engine.vendor import CLOSE
from webapp.engine import PatchbayError
from webapp.engine.explain import explain
from webapp.models.secret import Secret


def told(explanation):
    return [(one.candidate.service_id, one.status, one.code) for one in explanation.standings]


def test_the_first_usable_one_is_first_and_the_others_take_over(runtime, vendor, service, route):
    peer = vendor()
    off, first, second = service(peer.url, enabled=False), service(peer.url), service(peer.url)
    route("MAIL", off, first, second)

    found = explain(runtime, "email.send", "MAIL")

    assert told(found) == [
        (off, "skipped", "CONFIG_DISABLED"),
        (first, "first", None),
        (second, "next", None),
    ]
    assert found.to_dict()["service_id"] == first
    assert peer.requests == []


def test_only_three_are_ever_tried(runtime, service, route):
    route("MAIL", *[service(f"http://127.0.0.1:{number}") for number in range(1, 6)])

    assert [one.status for one in explain(runtime, "email.send", ["MAIL"]).standings] == [
        "first", "next", "next", "beyond", "beyond",
    ]  # fmt: skip


def test_what_a_call_would_skip_is_skipped_with_the_same_words(runtime, vendor, service, session):
    unreadable = service("http://127.0.0.1:2")
    names = ["NOBODY", service(vendor().url, enabled=False), unreadable, "SMS_SERVICE"]
    session.execute(update(Secret).where(Secret.owner_id == unreadable).values(ct="x" * 40))
    session.commit()

    found = explain(runtime, "email.send", names)
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("email.send", MAIL, prefer=names)

    assert [(one.code, str(one.reason)) for one in found.standings] == [
        (candidate["code"], candidate["reason"]) for candidate in caught.value.candidates
    ]
    assert (found.first, found.to_dict()["code"]) == (None, caught.value.code)


def test_a_service_of_another_contract_is_named_as_such(runtime, vendor, service):
    mail = service(vendor().url)

    assert told(explain(runtime, "sms.send", mail)) == [(mail, "skipped", "OPERATION_UNSUPPORTED")]


@pytest.mark.parametrize(
    ("operation", "prefer", "params", "pointer"),
    [
        ("mail.fly", (), None, "/operation"),
        ("email.send", [""], None, "/service_type_preference/0"),
        ("email.send", ["x"] * 21, None, "/service_type_preference"),
        ("email.send", (), {"to": "nobody"}, "/params"),
    ],
)
def test_bad_questions_are_refused_with_a_pointer(runtime, operation, prefer, params, pointer):
    with pytest.raises(PatchbayError) as caught:
        explain(runtime, operation, prefer, params)

    assert caught.value.code == "REQUEST_INVALID"
    assert str(caught.value.errors[0]["pointer"]).startswith(pointer)


def test_a_breaker_that_is_open_is_seen_before_it_is_met(runtime, vendor, service, route):
    dead, peer = vendor(CLOSE), vendor()
    first, second = service(dead.url), service(peer.url)
    route("MAIL", first, second)
    for _ in range(5):
        with pytest.raises(PatchbayError):
            runtime.hub.call("email.send", MAIL, prefer="MAIL")

    found = explain(runtime, "email.send", "MAIL")

    assert told(found) == [(first, "skipped", "CIRCUIT_OPEN"), (second, "first", None)]
    assert found.standings[0].retry_after_ms > 0
    assert runtime.hub.call("email.send", MAIL, prefer="MAIL").service_id == second
