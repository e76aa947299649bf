"""Any HTTP service: how the secret travels, how safely a request can be repeated, what comes back."""

from __future__ import annotations

import base64

import pytest
import responses
from responses import matchers

from adapters.http import Response
from adapters.http.generic import GenericHttp
from adapters.kit import EgressPolicy, Fault, ParamsInvalid, SettingsInvalid, Wire, verdict

API = "https://api.example.com/v1"
OPERATION = GenericHttp.operations()["http.request"]


@pytest.fixture
def web():
    with responses.RequestsMock() as mock:
        yield mock


def generic(**settings):
    return GenericHttp(GenericHttp.Config.parse({"base_url": API} | settings), Wire.for_call(EgressPolicy()))


def request(adapter, **params):
    return adapter.request(OPERATION.parse(params))


@pytest.mark.parametrize(
    ("settings", "proof"),
    [
        ({}, matchers.query_param_matcher({})),
        ({"auth": "bearer", "secret": "k"}, matchers.header_matcher({"Authorization": "Bearer k"})),
        (
            {"auth": "basic", "username": "u", "secret": "k"},
            matchers.header_matcher({"Authorization": "Basic " + base64.b64encode(b"u:k").decode()}),
        ),
        (
            {"auth": "header", "key_name": "X-Api-Key", "secret": "k"},
            matchers.header_matcher({"X-Api-Key": "k"}),
        ),
        ({"auth": "query", "key_name": "key", "secret": "k"}, matchers.query_param_matcher({"key": "k"})),
    ],
)
def test_the_secret_travels_as_the_settings_say(web, settings, proof):
    web.get(f"{API}/me", match=[proof])

    assert request(generic(**settings), path="/me").status == 200


@pytest.mark.parametrize(
    ("params", "body", "kind"),
    [
        ({"json": {"name": "名"}}, '{"name":"名"}'.encode(), "application/json"),
        ({"json": []}, b"[]", "application/json"),
        ({"form": {"a": ["1", "2"], "b": True}}, b"a=1&a=2&b=true", "application/x-www-form-urlencoded"),
        ({"body_base64": "AAE="}, b"\x00\x01", "application/octet-stream"),
        ({"body_base64": "AAE=", "headers": {"content-type": "image/x"}}, b"\x00\x01", "image/x"),
        ({}, b"", None),
    ],
)
def test_a_body_is_sent_as_it_was_given(web, params, body, kind):
    web.put(f"{API}/items/1", status=204)
    response = request(generic(), method="PUT", path="/items/1", **params)

    assert response == Response(204, response.headers)
    assert (web.calls[0].request.body or b"") == body
    assert web.calls[0].request.headers.get("Content-Type") == kind


@pytest.mark.parametrize(
    ("body", "kind", "member", "value"),
    [
        (b'{"a": 1}', "application/json; charset=utf-8", "json", {"a": 1}),
        (b'{"a": 1}', "application/problem+json", "json", {"a": 1}),
        (b"{oops", "application/json", "text", "{oops"),
        ("你好".encode(), "text/plain", "text", "你好"),
        (b"\xff\x00", "image/png", "body_base64", "/wA="),
    ],
)
def test_what_comes_back_has_one_of_three_forms(web, body, kind, member, value):
    web.get(f"{API}/", body=body, content_type=kind)
    response = request(generic())

    assert getattr(response, member) == value
    assert sum(getattr(response, name) is not None for name in ("json", "text", "body_base64")) == 1
    assert OPERATION.dump(response)[member] == value


@pytest.mark.parametrize(
    ("params", "safety"),
    [
        ({"method": "GET"}, "READ"),
        ({"method": "HEAD"}, "READ"),
        ({"method": "OPTIONS"}, "READ"),
        ({"method": "PUT"}, "IDEMPOTENT"),
        ({"method": "DELETE"}, "IDEMPOTENT"),
        ({"method": "POST"}, "UNSAFE"),
        ({"method": "PATCH"}, "UNSAFE"),
        ({"method": "POST", "safety": "READ"}, "READ"),
        ({"method": "GET", "safety": "UNSAFE"}, "UNSAFE"),
    ],
)
def test_safety_is_the_caller_s_word_or_the_method_s(params, safety):
    assert generic().safety_of(OPERATION, OPERATION.parse(params)) == safety


@pytest.mark.parametrize(
    ("status", "code", "effect"),
    [
        (401, "VENDOR_AUTH_REJECTED", "REJECTED"),
        (404, "VENDOR_NOT_FOUND", "REJECTED"),
        (422, "VENDOR_REJECTED_REQUEST", "REJECTED"),
        (429, "VENDOR_RATE_LIMITED", "REJECTED"),
        (301, "VENDOR_UNEXPECTED_REDIRECT", "REJECTED"),
        (500, "VENDOR_SERVER_ERROR", "UNKNOWN"),
    ],
)
def test_a_status_of_failure_is_a_fault(web, status, code, effect):
    web.post(f"{API}/items", status=status)
    with pytest.raises(Fault) as caught:
        request(generic(), method="POST", path="items", json={})

    assert (caught.value.code, caught.value.effect) == (code, effect)


@pytest.mark.parametrize(
    "path", ["https://evil.example.com/", "//evil.example.com", "/../admin", "/a?b=c", "/a\r\nX: y"]
)
def test_a_path_stays_below_the_base_address(path):
    with pytest.raises(ParamsInvalid) as caught:
        OPERATION.parse({"path": path})

    assert [error.field for error in caught.value.errors] == ["path"]


def test_the_test_reads_the_health_path(web):
    web.get(f"{API}/health", status=200)
    stages = list(generic(health_path="/health").check())

    assert [(stage.name, stage.status) for stage in stages] == [("request", "ok")]
    assert verdict(stages) == "verified"


def test_without_a_health_path_nothing_is_claimed():
    stages = list(generic(auth="bearer", secret="k").check())

    assert verdict(stages) == "unverifiable"
    assert str(stages[0].message) == "This service offers nothing that proves the key without a call."


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://user:pw@example.com"}, "base_url"),
        ({"auth": "digest"}, "auth"),
        ({"auth": "bearer"}, "secret"),
        ({"auth": "basic", "secret": "k"}, "username"),
        ({"auth": "header", "secret": "k"}, "key_name"),
        ({"auth": "header", "secret": "k", "key_name": "X Key"}, "key_name"),
        ({"auth": "query", "key_name": "key"}, "secret"),
        ({"health_path": "https://elsewhere.example.com"}, "health_path"),
    ],
)
def test_settings_that_cannot_work_are_named(settings, field):
    with pytest.raises(SettingsInvalid) as caught:
        generic(**settings)

    assert [error.field for error in caught.value.errors] == [field]
