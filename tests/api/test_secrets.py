"""Staged secrets and what ends, over HTTP: no answer ever holds a value."""

from __future__ import annotations

import pytest

from tests.api.test_reference import conforms, document  # noqa: F401 - a fixture

NEXT = "SG.next-secret-value-that-is-hidden"


@pytest.fixture
def key(service):
    return f"/services/{service['service_id']}/secrets/api_key"


@pytest.fixture
def staged(api, key):
    answer = api("PUT", f"{key}/next", {"value": NEXT, "expires_at": "2099-12-31"})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer


def one(api, service):
    return api("GET", f"/services/{service['service_id']}/secrets").json["items"][0]


def test_the_next_value_waits_and_is_never_told(api, service, staged):
    assert staged.json["next"]["expires_at"] == "2099-12-31T00:00:00.000Z"
    assert one(api, service)["next"]["tested"] is None
    assert NEXT not in staged.get_data(as_text=True)
    assert NEXT not in api("GET", f"/services/{service['service_id']}/secrets").get_data(as_text=True)


def test_promoting_makes_a_revision_and_keeps_the_previous_value(api, service, key, staged):
    answer = api("POST", f"{key}/promote", {"grace_hours": 2, "note": "Yearly."})

    assert (answer.status_code, answer.json["revision"]) == (200, 2)
    found = one(api, service)
    assert found["next"] is None
    assert found["previous"]["until"] is not None
    assert found["current"]["expires_at"] == "2099-12-31T00:00:00.000Z"
    assert api("DELETE", f"{key}/previous").status_code == 204
    assert one(api, service)["previous"] is None


def test_the_next_value_is_tested_alone(api, peer, http_service):
    key = f"/services/{http_service['service_id']}/secrets/secret"
    api("PUT", f"{key}/next", {"value": "wrong-token-value"})
    refused = api("POST", f"{key}/next/test")
    api("PUT", f"{key}/next", {"value": "right-token-value"})
    good = api("POST", f"{key}/next/test")

    assert refused.json["verdict"] == "rejected"
    assert good.json["verdict"] == "verified"
    assert [seen[1] for seen in peer.seen] == ["Bearer wrong-token-value", "Bearer right-token-value"]
    assert one(api, http_service)["next"]["tested"]["verdict"] == "verified"


def test_a_next_value_can_be_discarded(api, service, key, staged):
    assert api("DELETE", f"{key}/next").status_code == 204
    assert api("DELETE", f"{key}/next").status_code == 404
    assert api("POST", f"{key}/promote").status_code == 404
    assert api("POST", f"{key}/next/test").status_code == 404


@pytest.mark.parametrize(
    ("method", "rest", "body", "status"),
    [
        ("PUT", "api_key/next", {}, 422),
        ("PUT", "api_key/next", {"value": ""}, 422),
        ("PUT", "api_key/next", {"value": "•••••"}, 422),
        ("PUT", "api_key/next", {"value": None}, 422),
        ("PUT", "api_key/next", {"value": "x" * 70_000}, 422),
        ("PUT", "api_key/next", {"value": "SG.a-good-one", "expires_at": "soon"}, 422),
        ("PUT", "api_key/next", {"value": "SG.a-good-one", "more": 1}, 422),
        ("PUT", "api_key/next", {"value": "SG.a-good-one", "configurations": {"region": "eu"}}, 422),
        ("PUT", "from_email/next", {"value": "SG.a-good-one"}, 404),
        ("PUT", "nothing/next", {"value": "SG.a-good-one"}, 404),
        ("POST", "api_key/promote", {"grace_hours": -1}, 422),
        ("POST", "api_key/promote", {"grace_hours": 100_000}, 422),
        ("POST", "api_key/promote", {"grace_hours": "1"}, 422),
        ("PATCH", "api_key", {}, 422),
        ("PATCH", "api_key", {"expires_at": 5}, 422),
        ("PATCH", "api_key", {"expires_at": "2027-02-30"}, 422),
        ("PATCH", "from_email", {"expires_at": "2027-02-03"}, 404),
        ("DELETE", "api_key/previous", None, 404),
    ],
)
def test_a_wrong_request_is_refused_and_changes_nothing(api, service, method, rest, body, status):
    before = one(api, service)
    answer = api(method, f"/services/{service['service_id']}/secrets/{rest}", body)

    assert answer.status_code == status, answer.get_data(as_text=True)
    assert "SG.a-good-one" not in answer.get_data(as_text=True)
    assert one(api, service) == before


def test_a_typed_end_is_listed_with_what_depends_on_it(api, service, key):
    members = [service["service_id"]]
    api("POST", "/routes", {"name": "MAIL_MAIN", "contract": "EMAIL_SERVICE", "members": members})
    assert api("PATCH", key, {"expires_at": "2099-12-31"}).json["current"]["expires_at"].startswith("2099")

    token, item = api("GET", "/expirations").json["items"]

    assert (token["kind"], token["service_id"], token["name"]) == ("token", None, "tests")
    assert (item["kind"], item["field"], item["state"], item["routes"]) == (
        "secret",
        "api_key",
        "later",
        ["MAIL_MAIN"],
    )
    assert api("GET", "/expirations?within_days=30").json["items"] == []
    assert api("PATCH", key, {"expires_at": None}).json["current"]["expires_at"] is None


def test_the_list_goes_on_where_the_cursor_says(api):
    for number in range(3):
        made = api.add(service_name=f"Mail {number}")
        api(
            "PATCH",
            f"/services/{made['service_id']}/secrets/api_key",
            {"expires_at": f"2099-01-0{number + 1}"},
        )

    first = api("GET", "/expirations?limit=2").json
    rest = api("GET", f"/expirations?limit=2&cursor={first['next_cursor']}").json

    assert [one["name"] for one in first["items"] + rest["items"]] == ["tests", "Mail 0", "Mail 1", "Mail 2"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("wrong", ["cursor=x", "cursor=%FF", "limit=0", "within_days=-1", "more=1"])
def test_a_wrong_question_about_what_ends_is_refused(api, wrong):
    assert api("GET", f"/expirations?{wrong}").status_code == 422


def test_reading_and_writing_need_their_scopes(allowed, service, key):
    assert allowed("logs:read")("GET", "/expirations").status_code == 403
    assert allowed("services:read")("PUT", f"{key}/next", {"value": NEXT}).status_code == 403
    assert allowed("services:read")("POST", f"{key}/next/test").status_code == 403
    assert allowed("services:read")("PATCH", key, {"expires_at": None}).status_code == 403


def test_answers_are_what_the_document_says(api, document, service, key, staged):
    conforms(document, api("GET", f"/services/{service['service_id']}/secrets"), "CredentialList")
    conforms(document, staged, "CredentialOut")
    conforms(document, api("POST", f"{key}/promote"), "ServiceOut")
    conforms(document, api("GET", "/expirations"), "ExpirationPage")
    conforms(document, api("GET", f"/services/{service['service_id']}/revisions/1..2"), "ComparisonOut")
