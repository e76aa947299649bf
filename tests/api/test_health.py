"""Health, incidents, maintenance and alerts over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

from webapp.models.health import HealthCheck, HealthHour, ServiceHealth
from webapp.models.incident import Incident
from webapp.monitor.rollup import hour_of


@pytest.fixture
def watched(api, session, clock):
    """A service with a state, an hour of history and a check."""
    service_id = api.add(is_enabled=True)["service_id"]
    now = clock.now()
    session.add(
        ServiceHealth(
            service_id=service_id, state="down", since=now, checked_at=now, latency_ms=12, marks="xxx"
        )
    )
    session.add(HealthHour(service_id=service_id, start=hour_of(now), up=45, down=15, latency_sum=600))
    for _ in range(3):
        check = {
            "source": "probe",
            "mark": "x",
            "state": "down",
            "verdict": "failed",
            "latency_ms": 12,
            "stages": [],
        }
        session.add(HealthCheck(service_id=service_id, at=now, **check))
    session.add(Incident(subject=service_id, service_name="Mail", state="down", opened_at=now, points=[]))
    session.commit()
    return service_id


def test_health_tells_uptime_and_whether_anybody_checks(api, watched):
    answer = api("GET", "/health?range=7d").json

    assert (answer["items"][0]["uptime"], answer["items"][0]["state"]) == (0.75, "down")
    assert answer["scheduler"] == {"alive": False, "until": None}
    assert answer["log"] == {"lag_s": 0, "waiting_bytes": 0, "refused": 0, "error": None}


def test_one_service_in_depth(api, watched):
    one = api("GET", f"/health/{watched}").json
    assert one["uptime_by_range"] == {"24h": 0.75, "7d": 0.75, "30d": 0.75, "90d": 0.75}
    assert api("GET", f"/services/{watched}/health").json == one
    assert api("GET", "/services/nobody/health").status_code == 404
    past = api("GET", f"/health/{watched}/history?range=24h").json
    assert (len(past["marks"]), past["marks"][-1]["down"], past["marks"][-1]["mean_ms"]) == (24, 15, 10.0)
    first = api("GET", f"/health/{watched}/checks?limit=2").json
    rest = api("GET", f"/health/{watched}/checks?limit=2&cursor={first['next_cursor']}").json
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)


@pytest.mark.parametrize(
    "path", ["/health?range=1y", "/health?limit=0", "/incidents?limit=999", "/health?what=1"]
)
def test_what_is_not_understood_is_refused(api, path):
    assert api("GET", path).status_code == 422


def test_an_incident_is_taken_over_and_noted(api, allowed, watched):
    incident = api("GET", "/incidents").json["items"][0]
    path = f"/incidents/{incident['incident_id']}"
    assert allowed("health:read")("POST", f"{path}/acknowledge").status_code == 403
    assert api("POST", f"{path}/acknowledge").json["acknowledged_by"].startswith("token:")
    assert api("POST", f"{path}/notes", {"note": " "}).status_code == 422
    assert [one["kind"] for one in api("POST", f"{path}/notes", {"note": "They know."}).json["timeline"]] == [
        "acknowledged",
        "note",
    ]
    assert api("GET", "/incidents/none").status_code == 404


def test_maintenance_is_planned_and_ended(api, watched, clock):
    start = clock.now() + timedelta(hours=1)
    window = {
        "title": "Move", "services": [watched], "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    made = api("POST", "/maintenance", window)
    assert (made.status_code, made.json["state"]) == (201, "planned")
    assert api("POST", "/maintenance", window).json["errors"][0]["code"] == "overlap"
    assert api("POST", "/maintenance", {**window, "starts_at": "2026-01-01T00:00:00"}).status_code == 422
    assert api("DELETE", f"/maintenance/{made.json['window_id']}").status_code == 204
    assert api("GET", "/maintenance").json["items"] == []


def test_a_window_that_repeats_is_left_out_once(api, watched, clock):
    start = clock.now() + timedelta(hours=1)
    window = {
        "title": "Nightly", "services": [watched], "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=1)).isoformat(), "repeats": "daily", "time_zone": "Asia/Shanghai",
    }  # fmt: skip
    made = api("POST", "/maintenance", window).json
    path = f"/maintenance/{made['window_id']}"
    assert made["next"]["starts_at"] == "2026-01-02T04:04:05.000Z"
    assert api("POST", f"{path}/skip").json["next"]["starts_at"] == "2026-01-03T04:04:05.000Z"
    assert api("GET", path).json["repeats"] == "daily"
    assert api("DELETE", path).status_code == 204
    assert api("GET", path).status_code == 404
    assert api("POST", "/maintenance", {**window, "repeats": "hourly"}).status_code == 422
    once = api("POST", "/maintenance", {**window, "repeats": None}).json["window_id"]
    assert api("POST", f"/maintenance/{once}/skip").status_code == 422


def test_nobody_overwrites_unseen_what_another_changed(api):
    hook = {"name": "Hook", "kind": "webhook", "url": "http://127.0.0.1:9/x"}
    made = api("POST", "/alerts/channels", hook)
    channel = made.headers["Location"].removeprefix("/integrations")
    rule_in = {"name": "On call", "channels": [made.json["channel_id"]]}
    rule = api("POST", "/alerts/rules", rule_in).headers["Location"].removeprefix("/integrations")
    for path, body in ((channel, {"name": "Pager", "kind": "webhook"}), (rule, {**rule_in, "after_s": 60})):
        seen = api("GET", path).headers["ETag"]
        assert api("PUT", path, body, headers={"If-Match": seen}).headers["ETag"] == '"2"'
        stale = api("PUT", path, body, headers={"If-Match": seen})
        assert (stale.status_code, stale.json["code"]) == (412, "STALE_REVISION")
        assert api("PUT", path, body).json["revision"] == 3
        assert api("DELETE", path, headers={"If-Match": seen}).status_code == 412
        assert api("GET", path, headers={"If-Match": seen}).status_code == 412
    assert api("GET", rule, headers={"If-None-Match": '"3"'}).status_code == 304
    assert api("GET", channel).json["url_is_set"]
    assert api("PUT", channel, {"name": "Pager", "kind": "email"}).status_code == 422
    assert api("PUT", "/alerts/channels/none", hook).status_code == 404
    assert api("GET", "/alerts/rules/none").status_code == 404


def test_a_window_is_changed_and_nobody_overwrites_it_unseen(api, watched, clock):
    start = clock.now() + timedelta(hours=1)
    window = {
        "title": "Move", "services": [watched], "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    made = api("POST", "/maintenance", window)
    path = made.headers["Location"].removeprefix("/integrations")
    seen = api("GET", path).headers["ETag"]
    longer = {**window, "title": "Longer", "ends_at": (start + timedelta(hours=3)).isoformat()}
    changed = api("PUT", path, longer, headers={"If-Match": seen})
    assert (changed.status_code, changed.json["title"], changed.headers["ETag"]) == (200, "Longer", '"2"')
    assert changed.json["next"]["ends_at"] == "2026-01-02T07:04:05.000Z"
    for method, where, body in (
        ("PUT", path, window),
        ("POST", f"{path}/skip", None),
        ("DELETE", path, None),
    ):
        stale = api(method, where, body, headers={"If-Match": seen})
        assert (stale.status_code, stale.json["code"]) == (412, "STALE_REVISION"), method
    assert api("GET", path, headers={"If-Match": seen}).status_code == 412
    assert api("PUT", path, {**window, "ends_at": window["starts_at"]}).status_code == 422
    assert api("PUT", "/maintenance/none", window).status_code == 404

    other = {**window, "starts_at": longer["ends_at"], "ends_at": (start + timedelta(hours=4)).isoformat()}
    assert api("POST", "/maintenance", other).status_code == 201
    later = {**longer, "ends_at": (start + timedelta(hours=4)).isoformat()}
    assert api("PUT", path, later).json["errors"][0]["code"] == "overlap"
    clock.advance(10 * 3600)
    assert "over already" in api("PUT", path, longer).get_data(as_text=True)


def test_alerts_are_set_up(api):
    channel = api(
        "POST", "/alerts/channels", {"name": "Hook", "kind": "webhook", "url": "http://127.0.0.1:9/x"}
    )
    assert (channel.status_code, channel.json["url_is_set"]) == (201, True)
    assert "127.0.0.1" not in channel.get_data(as_text=True)
    id_ = channel.json["channel_id"]
    rule = api("POST", "/alerts/rules", {"name": "On call", "channels": [id_]})
    assert rule.status_code == 201
    assert api("POST", "/alerts/rules", {"name": "On call", "channels": [id_]}).json["code"] == "NAME_TAKEN"
    assert api("DELETE", f"/alerts/channels/{id_}").status_code == 422
    changed = api(
        "PUT", f"/alerts/rules/{rule.json['rule_id']}", {"name": "Calm", "channels": [id_], "after_s": 600}
    )
    assert changed.json["after_s"] == 600
    assert api("POST", f"/alerts/channels/{id_}/test").json["status"] == "failed"
    assert api("DELETE", f"/alerts/rules/{rule.json['rule_id']}").status_code == 204
    assert api("DELETE", f"/alerts/channels/{id_}").status_code == 204


def test_thresholds_belong_to_a_service(api, service):
    path = f"/services/{service['service_id']}"
    assert (
        api("PATCH", path, {"health_policy": {"down_after": 2, "window": 4}}).json["health_policy"][
            "down_after"
        ]
        == 2
    )
    for wrong in ({"down_after": 9, "window": 4}, {"timeout_s": 0}, {"window": 99}):
        assert api("PATCH", path, {"health_policy": wrong}).status_code == 422
    for wrong in (9, 604_801):
        assert api("PATCH", path, {"health_interval_s": wrong}).status_code == 422
    assert api("PATCH", path, {"health_interval_s": 604_800}).status_code == 200
