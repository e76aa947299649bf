"""Calls and their log through the HTTP door."""

from __future__ import annotations

import pytest

REQUEST = {"operation": "http.request", "service_type_preference": ["HTTP_PROVIDER_GENERIC"], "params": {"method": "GET", "path": "/things"}}  # fmt: skip


@pytest.fixture
def shop(api, http_service):
    api("POST", f"/services/{http_service['service_id']}/enable")
    return http_service


def call(api, headers=None, **changes):
    return api("POST", "/calls", {**REQUEST, **changes}, headers=headers)


def test_a_call_answers_with_its_result_and_is_on_record(api, shop, peer):
    answer = call(api, integration_point="tests.shop", correlation_id="order-7")
    record = api("GET", f"/calls/{answer.json['call_id']}")

    assert answer.status_code == 200
    assert answer.json["outcome"] == "succeeded"
    assert answer.json["service_id"] == shop["service_id"]
    assert answer.json["result"]["json"] == {"hello": "world"}
    assert answer.json["correlation_id"] == answer.headers["X-Correlation-Id"] == "order-7"
    assert isinstance(answer.json["call_id"], str)
    assert record.json["outcome"] == "succeeded"
    assert record.json["integration_point"] == "tests.shop"
    assert len(record.json["attempts"]) == record.json["attempt_count"] == 1
    assert [path for path, _ in peer.seen] == ["/things"]


def test_the_correlation_id_of_the_header_is_used_when_the_body_has_none(api, shop):
    answer = call(api, headers={"X-Correlation-Id": "from-header"})

    assert answer.json["correlation_id"] == answer.headers["X-Correlation-Id"] == "from-header"


def test_the_preference_may_be_one_name(api, shop):
    assert call(api, service_type_preference=shop["service_id"]).status_code == 200
    assert call(api, service_type_preference="HTTP_SERVICE").status_code == 200


def test_a_repeated_call_under_its_key_sends_nothing_twice(api, shop, peer):
    key = {"Idempotency-Key": "7f3c"}
    first, second = call(api, headers=key), call(api, headers=key)

    assert first.json["call_id"] == second.json["call_id"]
    assert second.json["replayed"] is True
    assert len(peer.seen) == 1


def test_a_key_belongs_to_one_request(api, shop):
    key = {"Idempotency-Key": "7f3c"}
    call(api, headers=key)
    answer = call(api, headers=key, params={"method": "GET", "path": "/other"})

    assert answer.status_code == 422
    assert answer.json["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"operation": None}, "/operation"),
        ({"operation": 7}, "/operation"),
        ({"operation": "http.dance"}, "/operation"),
        ({"params": None}, "/params"),
        ({"params": []}, "/params"),
        ({"params": {"method": "GET", "path": 7}}, "/params/path"),
        ({"params": {"method": "GET", "path": "/", "colour": 1}}, "/params/colour"),
        ({"params": {"method": "GET", "path": "/", "headers": {"X-A": "a\r\nB: c"}}}, "/params/headers/X-A"),
        ({"service_type_preference": 7}, "/service_type_preference"),
        ({"service_type_preference": ["x"] * 21}, "/service_type_preference"),
        ({"service_type_preference": ["a\nb"]}, "/service_type_preference/0"),
        ({"deadline_ms": 0}, "/deadline_ms"),
        ({"deadline_ms": "fast"}, "/deadline_ms"),
        ({"deadline_ms": True}, "/deadline_ms"),
        ({"duplicates": "maybe"}, "/duplicates"),
        ({"integration_point": "x" * 121}, "/integration_point"),
        ({"correlation_id": "a\r\nb"}, "/correlation_id"),
        ({"recipient": "x"}, "/recipient"),
    ],
)
def test_a_wrong_member_is_named_and_nothing_is_sent(api, shop, peer, changes, expected):
    answer = call(api, **changes)

    assert answer.status_code == 422
    assert any(error["pointer"].startswith(expected) for error in answer.json["errors"])
    assert peer.seen == []


@pytest.mark.parametrize("key", ["x" * 256, "a\tb"])
def test_a_key_that_cannot_be_one_is_refused(api, shop, peer, key):
    answer = call(api, headers={"Idempotency-Key": key})

    assert answer.status_code == 422
    assert peer.seen == []


def test_a_disabled_service_takes_no_call(api, http_service, peer):
    answer = call(api, service_type_preference=[http_service["service_id"]])

    assert answer.status_code in {409, 503}
    assert answer.json["effect"] == "NONE"
    assert "CONFIG_DISABLED" in answer.get_data(as_text=True)
    assert peer.seen == []


def test_an_unknown_name_takes_no_call(api, shop, peer):
    answer = call(api, service_type_preference=["EMAIL_PROVIDER_PRIMARY"])

    assert answer.status_code in {404, 503}
    assert "CONFIG_NOT_FOUND" in answer.get_data(as_text=True)
    assert peer.seen == []


def test_a_refusal_of_the_vendor_is_not_ours(api, shop):
    settings = {"configurations": {"secret": "wrong-token-value"}}
    api("PATCH", f"/services/{shop['service_id']}", settings)
    answer = call(api)

    assert answer.status_code == 502
    assert answer.json["code"] in {"VENDOR_AUTH_REJECTED", "NO_PROVIDER_AVAILABLE"}
    assert answer.mimetype == "application/problem+json"
    assert answer.json["call_id"]
    assert "wrong-token" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("call_id", ["0", "1", "x", "-1", "1.5", "9" * 19, "9" * 30, "²", "%00"])
def test_an_unknown_call_is_not_found(api, call_id):
    assert api("GET", f"/calls/{call_id}").status_code == 404
    assert api("GET", f"/logs/{call_id}").status_code == 404


def test_the_log_lists_attempts_newest_first_and_goes_on(api, shop):
    ids = [call(api).json["call_id"] for _ in range(3)]
    first = api("GET", "/logs?limit=2").json
    rest = api("GET", f"/logs?limit=2&cursor={first['next_cursor']}").json

    assert [item["call_id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1), ("operation=http.request", 1), ("operation=email.send", 0), ("outcome=succeeded", 1),
        ("outcome=failed", 0), ("status=200", 1), ("status=5xx", 0), ("correlation_id=order-7", 1),
        ("service_type=HTTP_PROVIDER_GENERIC", 1), ("q=things", 1), ("q=nothing-like-it", 0), ("from=2020-01-01", 1),
        ("to=2020-01-01T00:00:00Z", 0), ("integration_point=tests.shop", 1), ("min_duration_ms=600000", 0),
    ],
)  # fmt: skip
def test_the_log_is_filtered(api, shop, query, count):
    call(api, integration_point="tests.shop", correlation_id="order-7")

    answer = api("GET", f"/logs?{query}")

    assert answer.status_code == 200, answer.json
    assert len(answer.json["items"]) == count


@pytest.mark.parametrize(
    "query", ["outcome=fine", "status=abc", "from=yesterday", "min_duration_ms=-1", "limit=0", "limit=x", "colour=red", "cursor=abc", "q=" + "x" * 300]
)  # fmt: skip
def test_a_wrong_filter_is_refused(api, query):
    answer = api("GET", f"/logs?{query}")

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


def test_bodies_need_a_scope_of_their_own(api, shop, allowed):
    call(api, params={"method": "POST", "path": "/things", "json": {"colour": "red"}})
    log_id = api("GET", "/logs").json["items"][0]["log_id"]

    full = api("GET", f"/logs/{log_id}").json
    plain = allowed("logs:read")("GET", f"/logs/{log_id}").json

    assert "red" in full["request_payload"]
    assert "right-token" not in str(full)
    assert "request_payload" not in plain
    assert plain.items() <= full.items()


def test_the_messages_of_a_problem_are_sentences(api, http_service):
    answer = call(api, service_type_preference=http_service["service_id"])

    assert [one["message"] for one in answer.json["candidates"]] == [
        f"{http_service['service_name']} is disabled."
    ]
