"""The breaker of a service through the HTTP door."""

from __future__ import annotations

import pytest

from webapp.engine.breaker import Vote


def order(api, service, **body):
    return api("POST", f"/services/{service['service_id']}/breaker", body)


def test_a_new_service_stands_well(api, service):
    answer = api("GET", f"/services/{service['service_id']}/breaker")

    assert answer.status_code == 200
    assert answer.json == {
        "state": "closed",
        "since": None,
        "retry_after_ms": 0,
        "rest_ms": 0,
        "calls": 0,
        "failures": 0,
        "slow": 0,
        "override": None,
        "changes": [],
        "quotas": [],
        "degraded": False,
    }


def test_an_order_is_carried_out_shown_and_audited(api, service, session):
    from webapp.models.audit import AuditEntry

    answer = order(api, service, action="open", reason="vendor maintenance", expires_in_s=3600)

    assert answer.status_code == 200
    assert answer.json["state"] == "forced_open"
    assert answer.json["override"]["reason"] == "vendor maintenance"
    assert answer.json["override"]["until"]
    entry = session.query(AuditEntry).filter_by(action="breaker.open").one()
    assert (entry.target, entry.detail["reason"]) == (service["service_id"], "vendor maintenance")
    assert entry.actor == answer.json["override"]["actor"]
    assert order(api, service, action="reset", reason="done").json["state"] == "closed"


def test_a_reset_forgets_what_was_counted(api, service, runtime):
    key = service["service_id"]
    for _ in range(5):
        runtime.gates.breakers.record(key, runtime.gates.breakers.acquire(key), Vote.FAILURE)
    before = api("GET", f"/services/{key}/breaker").json
    assert (before["state"], before["failures"], before["changes"][0]["reason"]) == ("open", 5, "consecutive")
    assert 0 < before["retry_after_ms"] <= 33_000

    assert order(api, service, action="reset", reason="repaired").json["state"] == "closed"


def test_passing_every_call_ends_by_itself(api, service):
    assert order(api, service, action="close", reason="test").json["override"]["until"] is not None
    assert order(api, service, action="open", reason="test").json["override"]["until"] is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "x"}, "/action"),
        ({"action": "explode", "reason": "x"}, "/action"),
        ({"action": "open"}, "/reason"),
        ({"action": "open", "reason": ""}, "/reason"),
        ({"action": "open", "reason": "x" * 501}, "/reason"),
        ({"action": "open", "reason": "a\nb"}, "/reason"),
        ({"action": "open", "reason": "x", "expires_in_s": 59}, "/expires_in_s"),
        ({"action": "open", "reason": "x", "expires_in_s": 10**9}, "/expires_in_s"),
        ({"action": "open", "reason": "x", "expires_in_s": "60"}, "/expires_in_s"),
        ({"action": "open", "reason": "x", "colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_order_is_refused(api, service, body, pointer):
    answer = order(api, service, **body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert api("GET", f"/services/{service['service_id']}/breaker").json["override"] is None


def test_only_those_who_may_change_services_decide(allowed, service):
    reader = allowed("services:read")

    assert order(reader, service, action="open", reason="x").status_code == 403
    assert reader("GET", f"/services/{service['service_id']}/breaker").status_code == 200


def test_an_unknown_service(api):
    assert api("POST", "/services/nobody/breaker", {"action": "open", "reason": "x"}).status_code == 404


def test_quotas_are_stored_merged_and_shown(api, service):
    path = f"/services/{service['service_id']}"
    quotas = {
        "calls": {"day": 100},
        "money": {"month": 20},
        "prices": {"email.send": 0.01},
        "time_zone": "Asia/Shanghai",
    }

    def patch(**changes):
        current = api("GET", path)
        return api("PATCH", path, changes, headers={"If-Match": current.headers["ETag"]})

    assert patch(quotas=quotas).status_code == 200
    answer = patch(quotas={"calls": {"minute": 5}})

    assert answer.json["quotas"]["calls"]["day"] == 100
    assert answer.json["quotas"]["calls"]["minute"] == 5
    shown = api("GET", f"{path}/breaker").json["quotas"]
    assert [(one["counts"], one["window"], one["used"], one["limit"]) for one in shown] == [
        ("calls", "day", 0, 100),
        ("calls", "minute", 0, 5),
        ("money", "month", 0, 20),
    ]
    assert patch(quotas=None).json["quotas"] is None


@pytest.mark.parametrize(
    ("quotas", "pointer"),
    [
        ({"calls": {"day": 0}}, "/quotas/calls/day"),
        ({"calls": {"year": 1}}, "/quotas/calls/year"),
        ({"money": {"day": "ten"}}, "/quotas/money/day"),
        ({"prices": {"email.send": -1}}, "/quotas/prices/email.send"),
        ({"time_zone": "Mars/Olympus"}, "/quotas/time_zone"),
        ({"strict": "yes"}, "/quotas/strict"),
        ([], "/quotas"),
    ],
)
def test_wrong_quotas_are_refused(api, service, quotas, pointer):
    path = f"/services/{service['service_id']}"
    answer = api("PATCH", path, {"quotas": quotas}, headers={"If-Match": api("GET", path).headers["ETag"]})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
