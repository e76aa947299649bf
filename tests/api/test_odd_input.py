"""Input that only generated requests thought of; NUL is what not every database can keep or be asked for."""

from __future__ import annotations

import pytest

ADDRESSES = (
    "/services/%00",
    "/services/%00/breaker",
    "/routes/%00",
    "/incidents/%00",
    "/health/%00",
    "/types/%00",
    "/calls/%00",
)


@pytest.mark.parametrize("path", ADDRESSES)
def test_nothing_is_at_an_address_with_nul(api, path):
    answer = api("GET", path)

    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/alerts/rules/%00", "/alerts/channels/%00", "/maintenance/%00"])
def test_nothing_is_deleted_there(api, path):
    assert api("DELETE", path).json["code"] == "NOT_FOUND"


def test_no_secret_is_called_so(api, service):
    path = f"/services/{service['service_id']}/secrets/%00"

    assert api("DELETE", f"{path}/next").status_code == 404
    assert api("POST", f"{path}/promote").status_code == 404


def test_pages_are_not_there_either(owner_client):
    assert owner_client.get("/settings/integrations/%00").status_code == 404
    assert owner_client.get("/settings/alerts/rules/%00").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/routes", {"name": "SHOP", "contract": "HTTP_SERVICE", "members": ["\0"]}, "/members/0"),
        ("/alerts/rules", {"name": "On call", "channels": ["\0"]}, "/channels/0"),
        ("/alerts/rules", {"name": "On call", "channels": ["x"], "services": ["\0"]}, "/services/0"),
        ("/maintenance", {"title": "Move", "services": ["\0"], "starts_at": "2030-01-01T00:00:00Z",
                          "ends_at": "2030-01-01T01:00:00Z"}, "/services/0"),
        ("/reconcile/1/decide", {"outcome": "failed", "note": "a\0b"}, "/note"),
        ("/reconcile/1/resend", {"accept_duplicate": True, "note": "a\0b"}, "/note"),
    ],
)  # fmt: skip
def test_it_is_refused_in_members(api, path, body, pointer):
    answer = api("POST", path, body)

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == pointer


def test_a_revision_that_is_gone_is_a_problem_for_readers_too(api, service):
    answer = api("GET", f"/services/{service['service_id']}", headers={"If-Match": '"999"'})

    assert (answer.status_code, answer.mimetype) == (412, "application/problem+json")
