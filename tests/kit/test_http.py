"""Requests as they leave, replies as they are judged, and the record of both."""

import base64
import json
import time

import pytest
import requests
import responses
from pydantic import SecretStr

from adapters.kit import (
    Basic,
    Bearer,
    Blocked,
    Effect,
    EgressPolicy,
    Fault,
    FixedClock,
    HeaderKey,
    Http,
    Misconfigured,
    QueryKey,
    Refused,
    Reply,
    Throttled,
    Unavailable,
    Unsure,
    Wire,
    fault_by_status,
)

BASE = "https://api.example.com/v1"
KEY = SecretStr("k-123")
WIRE_END = 60.0


@pytest.fixture
def wire():
    return Wire.for_call(EgressPolicy(), clock=FixedClock())


@pytest.fixture
def web():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def client(wire: Wire, **how) -> Http:
    return Http(wire, base_url=BASE, classify=fault_by_status, **how)


def test_json_is_sent_once_and_recorded(web, wire):
    web.post(f"{BASE}/items", json={"id": 1}, headers={"X-Request-Id": "r-1"})
    reply = client(wire, auth=Bearer(KEY)).post(
        "/items", json={"name": "名"}, params={"a": "x y~", "b": [1, True]}
    )

    assert reply.json() == {"id": 1}
    assert reply.headers["x-request-id"] == reply.request_id == "r-1"
    sent = web.calls[0].request
    assert sent.url == f"{BASE}/items?a=x%20y~&b=1&b=true"
    assert sent.body == '{"name":"名"}'.encode()
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["Authorization"] == "Bearer k-123"
    (exchange,) = wire.exchanges
    assert (exchange.method, exchange.url, exchange.status) == ("POST", sent.url, 200)
    assert (exchange.request_body, json.loads(exchange.response_body)) == (sent.body, {"id": 1})
    assert exchange.phase == "done"


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (Bearer(KEY), "Authorization", "Bearer k-123"),
        (Basic("lin", KEY), "Authorization", "Basic " + base64.b64encode(b"lin:k-123").decode()),
        (HeaderKey("X-Api-Key", KEY), "X-Api-Key", "k-123"),
        (HeaderKey("Authorization", KEY, "Token "), "Authorization", "Token k-123"),
    ],
)
def test_credentials_go_where_the_vendor_wants_them(web, wire, auth, header, value):
    web.get(f"{BASE}/me")
    client(wire, auth=auth).get("me")

    assert web.calls[0].request.headers[header] == value


def test_a_key_may_be_part_of_the_query(web, wire):
    web.get(f"{BASE}/me")
    client(wire, auth=QueryKey("key", KEY)).get("/me", params={"q": 1})

    assert web.calls[0].request.url == f"{BASE}/me?q=1&key=k-123"


def test_credentials_stay_with_their_host(web, wire):
    web.get("https://elsewhere.example/me")
    client(wire, auth=Bearer(KEY)).get("https://elsewhere.example/me")

    assert "Authorization" not in web.calls[0].request.headers


def test_forms_and_bytes_are_sent_as_given(web, wire):
    web.put(f"{BASE}/form")
    web.post(f"{BASE}/raw")
    client(wire).put("/form", form={"a": "1 2", "b": None, "c": ["x", "y"]})
    client(wire).post("/raw", data="é", content_type="text/plain; charset=utf-8")

    assert web.calls[0].request.body == b"a=1+2&c=x&c=y"
    assert web.calls[1].request.body == "é".encode()
    assert web.calls[1].request.headers["Content-Length"] == "2"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "名", "a\0b"])
def test_a_header_that_would_break_the_request_is_refused(wire, value):
    with pytest.raises(Misconfigured) as caught:
        client(wire).get("/", headers={"X-Name": value})

    assert caught.value.effect is Effect.NONE
    assert value not in str(caught.value)


@pytest.mark.parametrize("path", ["/a b", "/a\r\nb", "/a\\b", "https://user@elsewhere.example/"])
def test_an_address_that_cannot_be_sent_is_refused(wire, path):
    with pytest.raises(Blocked):
        client(wire).get(path)

    assert wire.exchanges == []


@pytest.mark.parametrize(
    ("status", "headers", "word", "code", "effect"),
    [
        (301, {}, Refused, "VENDOR_UNEXPECTED_REDIRECT", "REJECTED"),
        (400, {}, Refused, "VENDOR_REJECTED_REQUEST", "REJECTED"),
        (401, {}, Misconfigured, "VENDOR_AUTH_REJECTED", "REJECTED"),
        (402, {}, Fault, "VENDOR_QUOTA_EXHAUSTED", "REJECTED"),
        (403, {}, Fault, "VENDOR_PERMISSION_DENIED", "REJECTED"),
        (403, {"X-RateLimit-Remaining": "0"}, Throttled, "VENDOR_RATE_LIMITED", "REJECTED"),
        (404, {}, Refused, "VENDOR_NOT_FOUND", "REJECTED"),
        (408, {}, Unsure, "VENDOR_GATEWAY_TIMEOUT", "UNKNOWN"),
        (409, {}, Refused, "VENDOR_CONFLICT", "REJECTED"),
        (422, {}, Refused, "VENDOR_REJECTED_REQUEST", "REJECTED"),
        (425, {}, Unavailable, "VENDOR_UNAVAILABLE", "REJECTED"),
        (429, {}, Throttled, "VENDOR_RATE_LIMITED", "REJECTED"),
        (500, {}, Unsure, "VENDOR_SERVER_ERROR", "UNKNOWN"),
        (501, {}, Refused, "VENDOR_REJECTED_REQUEST", "REJECTED"),
        (502, {}, Unsure, "VENDOR_SERVER_ERROR", "UNKNOWN"),
        (503, {}, Unsure, "VENDOR_UNAVAILABLE", "UNKNOWN"),
        (503, {"Retry-After": "1"}, Unavailable, "VENDOR_UNAVAILABLE", "REJECTED"),
        (504, {}, Unsure, "VENDOR_GATEWAY_TIMEOUT", "UNKNOWN"),
        (529, {}, Unsure, "VENDOR_SERVER_ERROR", "UNKNOWN"),
    ],
)
def test_a_status_has_a_meaning_and_an_effect(web, wire, status, headers, word, code, effect):
    web.post(f"{BASE}/x", status=status, headers=headers, body="<html>")
    with pytest.raises(word) as caught:
        client(wire).post("/x")

    assert (caught.value.code, caught.value.effect, caught.value.vendor_status) == (code, effect, status)
    assert wire.exchanges[0].status == status


def test_a_reply_may_be_left_unjudged(web, wire):
    web.get(f"{BASE}/x", status=500)

    assert client(wire).get("/x", raw=True).status == 500


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "Fri, 02 Jan 2026 03:14:35 GMT", "Date": "Fri, 02 Jan 2026 03:14:05 GMT"}, 30),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30),
        ({"Retry-After": "Fri, 02 Jan 2020 03:04:35 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1e309"}, None),
        ({"Retry-After": "NaN"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_the_wait_a_vendor_asks_for(web, wire, headers, seconds):
    web.get(f"{BASE}/x", status=429, headers=headers)
    with pytest.raises(Throttled) as caught:
        client(wire).get("/x")

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("body", ["", "<html>", "[" * 100_000, "\x00"])
def test_a_body_that_is_no_json_leaves_the_outcome_open(body):
    reply = Reply.of(200, body=body.encode())

    assert reply.peek() == {}
    with pytest.raises(Unsure) as caught:
        reply.json()
    assert caught.value.code == "MALFORMED_RESPONSE"


@pytest.mark.parametrize(
    ("problem", "code", "effect"),
    [
        (requests.ConnectTimeout("late"), "CONNECT_TIMEOUT", "NONE"),
        (requests.ConnectionError(ConnectionRefusedError()), "CONNECT_REFUSED", "NONE"),
        (requests.ReadTimeout("late"), "READ_TIMEOUT", "UNKNOWN"),
        (requests.ConnectionError("gone"), "CONNECTION_LOST", "UNKNOWN"),
        (requests.ConnectionError(ConnectionResetError()), "CONNECTION_LOST", "UNKNOWN"),
        (requests.exceptions.SSLError("odd"), "CONNECTION_LOST", "UNKNOWN"),
        (requests.exceptions.ChunkedEncodingError("cut"), "CONNECTION_LOST", "UNKNOWN"),
        (requests.exceptions.ContentDecodingError("bad"), "MALFORMED_RESPONSE", "UNKNOWN"),
    ],
)
def test_without_a_phase_only_the_exception_speaks_and_doubt_wins(web, wire, problem, code, effect):
    web.post(f"{BASE}/x", body=problem)
    with pytest.raises(Fault) as caught:
        client(wire).post("/x")

    assert (caught.value.code, caught.value.effect) == (code, effect)


def test_several_requests_share_the_time_of_one_attempt(web):
    clock = FixedClock()
    wire = Wire.for_call(EgressPolicy(), clock=clock, attempt_timeout_s=10)
    web.get(f"{BASE}/x")
    client(wire).get("/x")
    clock.advance(11)
    with pytest.raises(Fault) as caught:
        client(wire).get("/x")

    assert (caught.value.code, caught.value.effect) == ("READ_TIMEOUT", Effect.NONE)


def test_checks_ask_for_uncompressed_replies(web):
    web.get(f"{BASE}/x")
    client(Wire.for_check(EgressPolicy(), clock=FixedClock())).get("/x")

    assert web.calls[0].request.headers["Accept-Encoding"] == "identity"


def test_a_prepared_request_costs_little(web, wire):
    """No environment is read and no session built for a request: a thousand of them take well under two seconds."""
    web.get(f"{BASE}/x")
    started = time.process_time()
    for _ in range(100):
        client(wire).get("/x")

    assert time.process_time() - started < 2
