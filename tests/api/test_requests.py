"""What is asked of every request: a token with the scope, JSON that is JSON, answers the client accepts."""

from __future__ import annotations

import pytest

SERVICES = "/integrations/services"


def post(client, token, data, content_type="application/json"):
    return client.post(SERVICES, data=data, headers=token(), content_type=content_type)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer pb_nonsense", "Basic dXNlcjpwYXNz", "Bearer  ", "pb_abcdefgh_x"]
)
def test_without_a_valid_token_nothing_opens(client, header):
    answer = client.get(SERVICES, headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.json["code"] == "UNAUTHENTICATED"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_cookie_opens_nothing(admin_client):
    assert admin_client.get(SERVICES).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/services", "services:read"),
        ("POST", "/services", "services:write"),
        ("GET", "/services/x", "services:read"),
        ("PUT", "/services/x", "services:write"),
        ("PATCH", "/services/x", "services:write"),
        ("DELETE", "/services/x", "services:write"),
        ("POST", "/services/x/enable", "services:write"),
        ("POST", "/services/x/disable", "services:write"),
        ("POST", "/services/x/test-connection", "services:test"),
        ("GET", "/services/x/revisions", "services:read"),
        ("GET", "/services/x/revisions/1", "services:read"),
        ("GET", "/types", "services:read"),
        ("GET", "/types/X", "services:read"),
        ("GET", "/routes", "services:read"),
        ("POST", "/routes", "services:write"),
        ("GET", "/routes/X", "services:read"),
        ("PUT", "/routes/X", "services:write"),
        ("DELETE", "/routes/X", "services:write"),
        ("POST", "/calls", "calls:write"),
        ("GET", "/calls/1", "calls:read"),
        ("GET", "/logs", "logs:read"),
        ("GET", "/logs/1", "logs:read"),
        ("GET", "/health", "health:read"),
    ],
)
def test_each_operation_needs_its_scope(allowed, method, path, scope):
    scopes = {
        "services:read",
        "services:write",
        "services:test",
        "calls:write",
        "calls:read",
        "logs:read",
        "health:read",
    }
    answer = allowed(*(scopes - {scope}))(method, path)

    assert answer.status_code == 403
    assert answer.json["code"] == "FORBIDDEN"
    assert scope in answer.json["detail"]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{]", b'{"a": 1,}', b"\xff\xfe", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b'{"a": "\\ud800"}',
     b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 2}}', b"[" * 100_000, b"\xef\xbb\xbf{}", b"{} {}", b'{"a": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_not_json_is_a_bad_request(client, token, data):
    answer = post(client, token, data)

    assert answer.status_code == 400
    assert answer.json["code"] == "MALFORMED_REQUEST"


@pytest.mark.parametrize("data", [b"[]", b"null", b'"text"', b"7"])
def test_a_body_that_is_no_object_is_invalid(client, token, data):
    answer = post(client, token, data)

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == ""


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/xml"])
def test_another_content_type_is_refused(client, token, kind):
    answer = post(client, token, b'{"service_name": "x"}', kind)

    assert answer.status_code == 415
    assert answer.json["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_a_body_that_is_too_large_is_refused(client, token):
    answer = post(client, token, b'{"service_name": "' + b"x" * 1_100_000 + b'"}')

    assert answer.status_code == 413
    assert answer.json["code"] == "TOO_LARGE"


def test_an_answer_nobody_accepts_is_not_given(api):
    answer = api("GET", "/types", headers={"Accept": "image/png"})

    assert answer.status_code == 406
    assert answer.mimetype == "application/problem+json"
    assert api("GET", "/types", headers={"Accept": "*/*"}).status_code == 200
    assert api("GET", "/types", headers={"Accept": "text/html"}).status_code == 406
    assert api("GET", "/docs", headers={"Accept": "text/html"}).status_code == 200


def test_no_answer_sets_a_cookie(api, client):
    for answer in (
        api("GET", "/types"),
        api("POST", "/services", {}),
        client.get("/integrations/openapi.json"),
    ):
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/services/", 404),
        ("DELETE", "/services", 405),
        ("GET", "/calls", 405),
        ("PUT", "/health", 405),
    ],
)
def test_addresses_and_methods_that_do_not_exist(api, method, path, status):
    answer = api(method, path)

    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == status
    assert status != 405 or answer.headers["Allow"]


def test_a_problem_has_the_members_of_the_rfc(api):
    problem = api("GET", "/services/none").json

    assert problem["type"] == "urn:patchbay:problem:config-not-found"
    assert problem["instance"] == "/integrations/services/none"
    assert {"title", "status", "detail", "code", "correlation_id"} <= problem.keys()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Correlation-Id": "signup-42"}, "signup-42"),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ({"X-Correlation-Id": "mine", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}, "mine"),
    ],
)
def test_the_correlation_id_comes_back(api, headers, expected):
    assert api("GET", "/types", headers=headers).headers["X-Correlation-Id"] == expected
    assert api("GET", "/services/none", headers=headers).json["correlation_id"] == expected


@pytest.mark.parametrize("given", ["x" * 129, "with space", "", "é"])
def test_a_correlation_id_that_cannot_be_one_is_replaced(api, given):
    answer = api("GET", "/types", headers={"X-Correlation-Id": given})

    assert answer.headers["X-Correlation-Id"] not in {given, ""}


def test_a_sentence_is_in_the_language_of_the_request(api):
    answer = api("GET", "/services/none", headers={"Accept-Language": "en"})

    assert answer.json["detail"] == "There is no such service."
