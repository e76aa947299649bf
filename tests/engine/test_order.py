"""The order of what stands around a call is recorded on the call, and is the one that was designed."""

from __future__ import annotations

import pytest

from tests.engine.conftest import MAIL
from tests.engine.vendor import RESET, answer, closed_port
from webapp.engine import PatchbayError
from webapp.engine.trace import Step, Trace, names


def trace_of(runtime, prefer, operation="email.send", params=MAIL):
    """The steps on record of a call."""
    try:
        call_id = runtime.hub.call(operation, params, prefer=prefer).call_id
    except PatchbayError as error:
        call_id = error.call_id
    return runtime.log.call(call_id).trace


ATTEMPT = "HIJKLMNOPQ"


def test_one_attempt(runtime, vendor, service):
    trace = trace_of(runtime, service(vendor().url))

    assert trace == f"ABCDEF{ATTEMPT}R"
    assert names(trace) == [
        "validate", "deadline", "dedupe", "candidate", "gate", "try", "slot", "limit", "breaker", "intent",
        "timeout", "send", "classify", "feedback", "record", "decide", "end",
    ]  # fmt: skip


def test_retries_pay_from_the_budget_and_pass_every_gate_again(runtime, service):
    trace = trace_of(runtime, service(f"http://127.0.0.1:{closed_port()}"))

    assert trace == f"ABCDEF{ATTEMPT}EFG{ATTEMPT}EFG{ATTEMPT}R"


def test_another_service_begins_with_its_own_gates(runtime, vendor, service):
    refusing, backup = service(vendor(answer(401)).url), service(vendor().url)

    assert trace_of(runtime, [refusing, backup]) == f"ABCDEF{ATTEMPT}DEF{ATTEMPT}R"


def test_a_service_that_is_left_out_is_only_looked_at(runtime, vendor, service):
    disabled, mail = service("http://127.0.0.1:1", enabled=False), service(vendor().url)

    assert trace_of(runtime, [disabled, mail]) == f"ABCDDEF{ATTEMPT}R"


def test_an_open_breaker_is_seen_before_anything_is_spent(runtime, vendor, service):
    mail = service(vendor(RESET).url)
    for _ in range(5):
        trace_of(runtime, mail)

    assert trace_of(runtime, mail) == "ABCDER"


def test_a_limit_is_asked_before_the_breaker(runtime, vendor, service):
    mail = service(vendor().url, rate_limit={"per_second": 0.01, "burst": 1})
    trace_of(runtime, mail)

    assert trace_of(runtime, mail) == "ABCDEFHIR"


@pytest.mark.parametrize("step", list(Step))
def test_a_step_is_one_letter(step):
    trace = Trace()
    trace.add(step)

    assert len(str(trace)) == 1
    assert names(str(trace)) == [step.name.lower()]
