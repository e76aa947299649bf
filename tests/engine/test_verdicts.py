"""The matrix of effect and safety, the votes for the breaker, and adapters that make mistakes."""

from __future__ import annotations

import pytest

from adapters.kit import Effect, Fault, Safety
from webapp.engine.breaker import Vote
from webapp.engine.classify import SUCCESS, Allowed, allowed, of_bug, of_fault, vote_of

ALL = list(Safety)
BOTH, NOTHING = Allowed(retry=True, failover=True), Allowed()
ELSEWHERE, AGAIN = Allowed(failover=True), Allowed(retry=True)


def fault(code, effect, **more):
    return of_fault(Fault("What happened.", code=code, effect=effect, **more))


@pytest.mark.parametrize("safety", ALL)
@pytest.mark.parametrize(
    ("code", "follows"),
    [
        ("CONNECT_REFUSED", BOTH),
        ("CONNECT_TIMEOUT", BOTH),
        ("DNS_FAILURE", BOTH),
        ("TLS_HANDSHAKE_FAILED", BOTH),
        ("PROXY_FAILURE", BOTH),
        ("TLS_CERT_INVALID", ELSEWHERE),
        ("ADAPTER_BUG", ELSEWHERE),
        ("OPERATION_UNSUPPORTED", ELSEWHERE),
        ("EGRESS_BLOCKED", NOTHING),
        ("DEADLINE_EXCEEDED", NOTHING),
    ],
)
def test_what_was_not_sent(code, follows, safety):
    assert allowed(fault(code, Effect.NONE), safety) == follows


@pytest.mark.parametrize(
    ("code", "follows"),
    [
        ("VENDOR_AUTH_REJECTED", ELSEWHERE),
        ("VENDOR_PERMISSION_DENIED", ELSEWHERE),
        ("VENDOR_RATE_LIMITED", BOTH),
        ("VENDOR_UNAVAILABLE", BOTH),
        ("VENDOR_QUOTA_EXHAUSTED", ELSEWHERE),
        ("VENDOR_UNEXPECTED_REDIRECT", ELSEWHERE),
        ("VENDOR_REJECTED_REQUEST", NOTHING),
        ("VENDOR_NOT_FOUND", NOTHING),
        ("VENDOR_CONFLICT", NOTHING),
        ("VENDOR_RECIPIENT_BLOCKED", NOTHING),
    ],
)
@pytest.mark.parametrize("safety", ALL)
def test_a_rejection_depends_on_its_reason(code, follows, safety):
    assert allowed(fault(code, Effect.REJECTED), safety) == follows


def test_a_vendor_specific_rejection_may_be_tried_elsewhere():
    verdict = fault("VENDOR_REJECTED_REQUEST", Effect.REJECTED, vendor_specific=True)

    assert allowed(verdict, Safety.UNSAFE) == ELSEWHERE


@pytest.mark.parametrize("effect", [Effect.UNKNOWN, Effect.DONE])
@pytest.mark.parametrize(
    ("safety", "follows", "tolerant"),
    [
        (Safety.READ, BOTH, BOTH),
        (Safety.IDEMPOTENT, AGAIN, BOTH),
        (Safety.KEYED, AGAIN, BOTH),
        (Safety.UNSAFE, NOTHING, ELSEWHERE),
    ],
)
def test_what_may_have_been_done(safety, effect, follows, tolerant):
    verdict = fault("READ_TIMEOUT", effect)

    assert allowed(verdict, safety) == follows
    assert allowed(verdict, safety, may_duplicate=True) == tolerant


@pytest.mark.parametrize("safety", ALL)
def test_an_earlier_doubt_keeps_a_call_where_it_is(safety):
    verdict = fault("CONNECT_REFUSED", Effect.NONE)

    assert allowed(verdict, safety, pinned=True) == AGAIN
    assert allowed(verdict, safety, pinned=True, may_duplicate=True) == BOTH


def test_the_vendor_may_advise_against_and_for_another_try():
    busy = fault("VENDOR_CONFLICT", Effect.REJECTED)
    unsure = fault("VENDOR_SERVER_ERROR", Effect.UNKNOWN)

    assert allowed(busy, Safety.UNSAFE, advice=True) == AGAIN
    assert allowed(unsure, Safety.UNSAFE, advice=True) == NOTHING, "advice never overrules a doubt"
    assert allowed(unsure, Safety.KEYED, advice=False) == NOTHING
    assert allowed(fault("CONNECT_REFUSED", Effect.NONE), Safety.READ, advice=False) == ELSEWHERE


def test_a_mistake_is_not_repeated():
    assert allowed(of_bug("sent"), Safety.READ) == ELSEWHERE
    assert allowed(of_bug("sent"), Safety.KEYED) == NOTHING
    assert allowed(SUCCESS, Safety.UNSAFE) == NOTHING


@pytest.mark.parametrize("effect", [Effect.UNKNOWN, Effect.DONE])
def test_a_read_that_brings_nothing_has_failed(effect):
    verdict = fault("READ_TIMEOUT", effect)

    assert verdict.outcome(Safety.READ) == "failed"
    assert {verdict.outcome(safety) for safety in ALL if safety is not Safety.READ} == {"unknown"}


@pytest.mark.parametrize(
    ("code", "effect", "status", "vote"),
    [
        ("CONNECT_REFUSED", Effect.NONE, None, Vote.FAILURE),
        ("TLS_CERT_INVALID", Effect.NONE, None, Vote.FAILURE),
        ("READ_TIMEOUT", Effect.UNKNOWN, None, Vote.FAILURE),
        ("DEADLINE_EXCEEDED", Effect.UNKNOWN, None, Vote.FAILURE),
        ("DEADLINE_EXCEEDED", Effect.NONE, None, Vote.IGNORE),
        ("MALFORMED_RESPONSE", Effect.UNKNOWN, 200, Vote.FAILURE),
        ("VENDOR_SERVER_ERROR", Effect.UNKNOWN, 500, Vote.FAILURE),
        ("VENDOR_UNAVAILABLE", Effect.REJECTED, 503, Vote.FAILURE),
        ("VENDOR_UNAVAILABLE", Effect.REJECTED, 425, Vote.IGNORE),
        ("VENDOR_REJECTED_REQUEST", Effect.REJECTED, 400, Vote.SUCCESS),
        ("VENDOR_REJECTED_REQUEST", Effect.REJECTED, 501, Vote.IGNORE),
        ("VENDOR_NOT_FOUND", Effect.REJECTED, 404, Vote.SUCCESS),
        ("VENDOR_CONFLICT", Effect.REJECTED, 409, Vote.SUCCESS),
        ("VENDOR_AUTH_REJECTED", Effect.REJECTED, 401, Vote.IGNORE),
        ("VENDOR_PERMISSION_DENIED", Effect.REJECTED, 403, Vote.IGNORE),
        ("VENDOR_QUOTA_EXHAUSTED", Effect.REJECTED, 402, Vote.IGNORE),
        ("VENDOR_RATE_LIMITED", Effect.REJECTED, 429, Vote.IGNORE),
        ("VENDOR_UNEXPECTED_REDIRECT", Effect.REJECTED, 302, Vote.IGNORE),
        ("ADAPTER_BUG", Effect.UNKNOWN, None, Vote.IGNORE),
        ("EGRESS_BLOCKED", Effect.NONE, None, Vote.IGNORE),
    ],
)
def test_votes(code, effect, status, vote):
    assert vote_of(fault(code, effect, vendor_status=status)) is vote
    assert vote_of(SUCCESS) is Vote.SUCCESS


def test_a_code_nobody_documented_is_a_mistake_of_the_adapter():
    assert fault("SOMETHING_NEW", Effect.REJECTED).code == "ADAPTER_BUG"


@pytest.mark.parametrize(
    ("phase", "effect"),
    [
        ("none", Effect.NONE),
        ("connecting", Effect.NONE),
        ("sending", Effect.UNKNOWN),
        ("done", Effect.UNKNOWN),
    ],
)
def test_a_mistake_counts_by_its_phase(phase, effect):
    assert of_bug(phase).effect is effect
