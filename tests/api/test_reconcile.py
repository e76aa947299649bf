"""Calls of unknown outcome through the HTTP door."""

from __future__ import annotations

import pytest

from adapters.kit import SystemClock
from tests.api.test_reference import conforms
from tests.engine.vendor import CLOSE, Vendor, answer
from webapp.registry import services

REQUEST = {"method": "POST", "path": "/orders", "json": {"order": 42}}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def peer():
    vendor = Vendor(CLOSE)
    yield vendor
    vendor.close()


@pytest.fixture
def unsure(runtime, api, peer):
    """The id of a call that ended unknown."""
    with runtime.sessions() as session:
        made = services.create(
            session, runtime, name="Orders", service_type="HTTP_PROVIDER_GENERIC", actor="tests", origin="cli",
            configurations={"base_url": peer.url}, is_enabled=True,
        )  # fmt: skip
        session.commit()
    body = {"operation": "http.request", "params": REQUEST, "service_type_preference": made.service_id}
    problem = api("POST", "/calls", body)
    assert problem.json["code"] == "AMBIGUOUS_OUTCOME"
    return problem.json["call_id"]


def test_it_is_listed_read_and_settled_once(api, client, unsure):
    document = client.get("/integrations/openapi.json").json
    listed = api("GET", "/reconcile?state=open")
    conforms(document, listed, "ReconcilePage")
    assert [item["call_id"] for item in listed.json["items"]] == [unsure]
    assert "order" not in listed.text

    settled = api("POST", f"/reconcile/{unsure}/decide", {"outcome": "succeeded", "note": "They have it."})

    conforms(document, settled, "ReconcileOut")
    assert (settled.json["state"], settled.json["note"], settled.json["can_resend"]) == (
        "succeeded",
        "They have it.",
        False,
    )
    assert api("GET", f"/reconcile/{unsure}").json == settled.json
    assert api("GET", "/reconcile?state=open").json["items"] == []
    again = api("POST", f"/reconcile/{unsure}/decide", {"outcome": "failed", "note": "No."})
    assert (again.status_code, again.json["code"]) == (409, "ALREADY_DECIDED")


def test_it_is_sent_once_more_only_with_open_eyes(api, unsure, peer):
    refused = api("POST", f"/reconcile/{unsure}/resend", {"accept_duplicate": False, "note": "They lost it."})
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/accept_duplicate")
    assert len(peer.requests) == 1

    peer.does = answer(200, {"ok": True})
    sent = api("POST", f"/reconcile/{unsure}/resend", {"accept_duplicate": True, "note": "They lost it."})

    assert (sent.status_code, sent.json["outcome"]) == (200, "succeeded")
    assert api("GET", f"/reconcile/{unsure}").json["resent_call_id"] == sent.json["call_id"]
    assert len(peer.requests) == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/reconcile/42", None, 404),
        ("GET", "/reconcile/x", None, 404),
        ("GET", "/reconcile?state=lost", None, 422),
        ("GET", "/reconcile?cursor=x", None, 422),
        ("GET", "/reconcile?colour=red", None, 422),
        ("POST", "/reconcile/42/decide", {"outcome": "failed", "note": "x"}, 404),
        ("POST", "/reconcile/42/decide", {"outcome": "maybe", "note": "x"}, 422),
        ("POST", "/reconcile/42/decide", {"outcome": "failed"}, 422),
        ("POST", "/reconcile/42/resend", {"accept_duplicate": True, "note": "x"}, 404),
    ],
)
def test_what_cannot_be_understood_is_refused(api, method, path, body, status):
    assert api(method, path, body).status_code == status


def test_reading_and_settling_need_their_scopes(allowed):
    assert allowed("logs:read")("GET", "/reconcile").status_code == 403
    decision = {"outcome": "failed", "note": "x"}
    assert allowed("calls:read")("POST", "/reconcile/42/decide", decision).status_code == 403
