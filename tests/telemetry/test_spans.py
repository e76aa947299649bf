"""Spans of calls and tries: what the collector is told, what the vendor is sent, and that nothing happens while it is off."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

from tests.engine.conftest import MAIL
from tests.engine.vendor import answer
from webapp.engine.problems import PatchbayError

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def facts(span):
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def sent(vendor):
    """The traceparent of each request a vendor read."""
    found = [re.search(rb"(?i)\r\ntraceparent: (\S+)\r\n", request) for request in vendor.requests]
    return [match and match[1].decode() for match in found]


def test_a_call_and_its_try_are_told(traced, service, vendor):
    there = vendor()
    service_id = service(there.url)

    result = traced.call("email.send", MAIL, point="signup", correlation_id="c-1", traceparent=PARENT)

    told = traced.told()
    (call,), (attempt,) = told.named("email.send"), told.named("email.send EMAIL_PROVIDER_SENDGRID")
    assert call.trace_id.hex() == attempt.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert call.parent_span_id.hex() == "00f067aa0ba902b7"
    assert attempt.parent_span_id == call.span_id
    assert sent(there) == [f"00-{call.trace_id.hex()}-{attempt.span_id.hex()}-01"]
    assert facts(call) == {
        "patchbay.call_id": str(result.call_id), "patchbay.operation": "email.send", "patchbay.attempts": 1,
        "patchbay.integration_point": "signup", "patchbay.correlation_id": "c-1", "patchbay.outcome": "succeeded",
    }  # fmt: skip
    known = facts(attempt)
    assert (known["patchbay.service_id"], known["http.response.status_code"]) == (service_id, 202)
    assert (known["patchbay.outcome"], known["patchbay.effect"]) == ("succeeded", "DONE")


def test_every_try_has_a_span_of_its_own(traced, service, vendor):
    there = vendor([answer(429), answer(202, X_Message_Id="m")])
    service(there.url, retry_policy={"max_attempts": 2, "base_ms": 10, "max_ms": 10})

    traced.call("email.send", MAIL)

    first, second = traced.told().named("email.send EMAIL_PROVIDER_SENDGRID")
    assert facts(first)["error.type"] == "VENDOR_RATE_LIMITED"
    assert [facts(one)["patchbay.attempt_no"] for one in (first, second)] == [1, 2]
    assert len(set(sent(there))) == 2


def test_a_failure_is_told_by_its_code_without_words(traced, service, vendor):
    service(vendor(answer(400, {"errors": [{"message": "the secret of lin@example.com"}]})).url)

    with pytest.raises(PatchbayError) as raised:
        traced.call("email.send", MAIL)

    told = traced.told()
    for span in told.spans:
        assert facts(span)["error.type"] == raised.value.code
        assert (span.status.code, span.status.message) == (2, raised.value.code)
        assert not span.events
    assert "lin@example.com" not in str(told.spans)


def test_the_present_span_is_the_parent(traced, service, vendor):
    service(vendor().url)
    provider = TracerProvider()

    with provider.get_tracer("business").start_as_current_span("order") as order:
        traced.call("email.send", MAIL)
    provider.shutdown()

    (call,) = traced.told().named("email.send")
    assert int(call.trace_id.hex(), 16) == order.get_span_context().trace_id
    assert int(call.parent_span_id.hex(), 16) == order.get_span_context().span_id


@pytest.mark.parametrize(
    "given", ["", "x", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "é" * 99, PARENT + "\n"]
)
def test_a_broken_traceparent_begins_a_new_trace(traced, service, vendor, given):
    service(vendor().url)

    assert traced.call("email.send", MAIL, traceparent=given).outcome == "succeeded"
    assert traced.told().named("email.send")


def test_the_api_takes_the_header(app, traced, service, vendor, token):
    service(vendor().url)
    headers = {**token(), "traceparent": PARENT}

    answered = app.test_client().post(
        "/integrations/calls", json={"operation": "email.send", "params": MAIL}, headers=headers
    )

    assert answered.status_code == 200
    assert {span.trace_id.hex() for span in traced.told().spans} == {PARENT.split("-")[1]}


def test_a_collector_that_is_away_holds_up_no_call(traced, service, vendor, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    service(vendor().url)

    assert traced.call("email.send", MAIL).outcome == "succeeded"


def test_while_it_is_off_nothing_is_sent_along(runtime, service, vendor):
    there = vendor()
    service(there.url)

    runtime.hub.call("email.send", MAIL, traceparent=PARENT)

    assert runtime.telemetry is None
    assert sent(there) == [None]


def test_while_it_is_off_nothing_of_it_is_loaded():
    script = "import sys, webapp.engine.hub, webapp.engine.tries; print(any('opentelemetry' in m for m in sys.modules))"

    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
