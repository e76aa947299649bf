"""The history over HTTP: compare, go back, and every way to ask wrongly."""

from __future__ import annotations

import pytest

HISTORY = "/services/{}/revisions"


@pytest.fixture
def changed(api, service):
    """A service with a second revision: another sender, another key, and the reason for it."""
    body = {
        "configurations": {"from_email": "b@example.com", "api_key": "SG.second-secret-value-4kTp"},
        "note": "New team.",
    }
    return api("PATCH", f"/services/{service['service_id']}", body).json


def at(service, rest=""):
    return HISTORY.format(service["service_id"]) + rest


def test_two_revisions_are_compared_without_telling_a_secret(api, changed):
    answer = api("GET", at(changed, "/1..2"))

    assert answer.status_code == 200
    assert answer.json == {
        "old": 1,
        "new": 2,
        "changes": [
            {
                "pointer": "/configurations/from_email",
                "change": "changed",
                "old": "no-reply@example.com",
                "new": "b@example.com",
            },
            {"pointer": "/secrets/api_key", "change": "changed"},
        ],
    }


def test_a_comparison_works_in_either_order(api, changed):
    assert api("GET", at(changed, "/2..1")).json["changes"][0]["new"] == "no-reply@example.com"


def test_a_revision_carries_its_reason_and_its_test(api, changed):
    found = api("GET", at(changed, "/2")).json

    assert (found["note"], found["tested"]) == ("New team.", None)


def test_going_back_makes_a_new_revision(api, changed):
    answer = api("POST", at(changed, "/1/restore"), {"note": "Was wrong."})

    assert answer.status_code == 200
    assert answer.json["revision"] == 3
    assert answer.headers["ETag"] == '"3"'
    assert answer.json["configurations"]["from_email"] == "no-reply@example.com"
    assert answer.json["secrets"]["api_key"]["hint"] in (None, "…x9Qz")
    newest = api("GET", at(changed)).json["items"][0]
    assert (newest["origin"], newest["note"], newest["number"]) == ("restore", "Was wrong.", 3)


def test_going_back_to_another_destination_names_the_secrets(api, service):
    body = {"configurations": {"region": "eu", "api_key": "SG.second-secret-value-4kTp"}}
    moved = api("PATCH", f"/services/{service['service_id']}", body).json

    refused = api("POST", at(moved, "/1/restore"))
    done = api("POST", at(moved, "/1/restore"), {"configurations": {"api_key": "SG.third-secret-value-77aa"}})

    assert refused.status_code == 422
    assert [(one["pointer"], one["code"]) for one in refused.json["errors"]] == [
        ("/configurations/api_key", "reenter_secret")
    ]
    assert done.status_code == 200
    assert done.json["configurations"]["region"] == "global"


@pytest.mark.parametrize(
    ("method", "rest", "body", "status"),
    [
        ("GET", "/1..9", None, 404),
        ("GET", "/x..1", None, 404),
        ("GET", "/1..", None, 404),
        ("GET", "/..", None, 404),
        ("GET", "/1..99999999999999999999", None, 404),
        ("GET", "/1..2..3", None, 404),
        ("GET", "/1..2?a=b", None, 422),
        ("POST", "/9/restore", None, 404),
        ("POST", "/x/restore", None, 404),
        ("POST", "/1/restore", {"configurations": {"from_email": "c@example.com"}}, 422),
        ("POST", "/1/restore", {"configurations": {"api_key": 5}}, 422),
        ("POST", "/1/restore", {"configurations": {"api_key": "•••••"}}, 422),
        ("POST", "/1/restore", {"configurations": {"api_key": None}}, 422),
        ("POST", "/1/restore", {"service_name": "x"}, 422),
        ("POST", "/1/restore", {"note": "x" * 501}, 422),
        ("POST", "/1/restore", [], 422),
    ],
)
def test_a_wrong_question_is_refused_and_changes_nothing(api, changed, method, rest, body, status):
    answer = api(method, at(changed, rest), body)

    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/problem+json"
    assert api("GET", f"/services/{changed['service_id']}").json["revision"] == 2


def test_a_stale_client_cannot_go_back(api, changed):
    answer = api("POST", at(changed, "/1/restore"), headers={"If-Match": '"1"'})

    assert answer.status_code == 412


def test_going_back_needs_the_right_to_write(allowed, changed):
    assert allowed("services:read")("POST", at(changed, "/1/restore")).status_code == 403


@pytest.mark.parametrize("note", [5, "x" * 501, ["a"]])
def test_a_reason_has_to_be_a_short_text(api, service, note):
    answer = api("PATCH", f"/services/{service['service_id']}", {"description": "x", "note": note})

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/note"
