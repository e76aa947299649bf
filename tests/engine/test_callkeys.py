"""The same key is carried out once."""

from __future__ import annotations

import threading

import pytest

from tests.engine.conftest import MAIL
from tests.engine.vendor import HANG, RESET, answer
from webapp.engine import PatchbayError


def send(runtime, name, **how):
    return runtime.hub.call("email.send", how.pop("params", MAIL), prefer=name, call_key="welcome-42", **how)


def test_a_finished_call_is_answered_again_and_nothing_is_sent(runtime, vendor, service):
    peer = vendor()
    mail = service(peer.url)

    first, second = send(runtime, mail), send(runtime, mail)

    assert (second.call_id, second.result, second.replayed) == (first.call_id, first.result, True)
    assert len(peer.requests) == 1


def test_another_request_under_the_same_key_is_refused(runtime, vendor, service):
    mail = service(vendor().url)
    send(runtime, mail)

    with pytest.raises(PatchbayError) as caught:
        send(runtime, mail, params={**MAIL, "subject": "Goodbye!"})

    assert (caught.value.code, caught.value.status) == ("IDEMPOTENCY_KEY_REUSED", 422)


def test_two_callers_may_use_the_same_key(runtime, vendor, service):
    peer = vendor()
    mail = service(peer.url)

    send(runtime, mail, caller="token:a")
    send(runtime, mail, caller="token:b")

    assert len(peer.requests) == 2


def test_a_call_that_still_runs_is_not_begun_again(runtime, vendor, service):
    slow = vendor(HANG)
    mail = service(slow.url)

    def first():
        with pytest.raises(PatchbayError):
            send(runtime, mail, deadline_ms=5000)

    thread = threading.Thread(target=first)
    thread.start()
    assert slow.read.wait(5)

    with pytest.raises(PatchbayError) as caught:
        send(runtime, mail)

    assert (caught.value.code, caught.value.status, caught.value.retryable) == (
        "DUPLICATE_IN_PROGRESS",
        409,
        True,
    )
    slow.let_go.set()
    thread.join(10)
    assert len(slow.requests) == 1


def test_an_unknown_outcome_is_told_again_and_not_sent_again(runtime, vendor, service):
    unsure = vendor(RESET)
    mail = service(unsure.url)

    codes = []
    for _ in range(2):
        with pytest.raises(PatchbayError) as caught:
            send(runtime, mail)
        codes.append((caught.value.code, caught.value.effect, caught.value.cause_code))

    assert codes[0] == codes[1] == ("AMBIGUOUS_OUTCOME", "UNKNOWN", "CONNECTION_LOST")
    assert len(unsure.requests) == 1


def test_a_failure_that_may_be_repeated_gives_its_key_back(runtime, vendor, service):
    busy = vendor(answer(429))
    mail = service(busy.url)
    with pytest.raises(PatchbayError):
        send(runtime, mail)
    busy.does = answer(202, X_Message_Id="m-2")

    assert send(runtime, mail).result["message_id"] == "m-2"
