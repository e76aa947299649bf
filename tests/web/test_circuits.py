"""An open circuit, wherever a state is shown: the board, the list, the service, badges, the public page, the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.web.services import add, words
from webapp.models.health import Lease, ServiceHealth
from webapp.models.service import Service
from webapp.monitor import publishing


@pytest.fixture
def put(runtime, clock):
    """Stores a checked service with a breaker that stands so, and a process that looks after the checks."""
    with runtime.sessions() as session:
        session.add(Lease(name="monitor", holder="x", until=clock.now() + timedelta(seconds=30)))
        session.commit()

    def make(name="Mail", state="healthy", gate=None, until=None, code=None, override=None, **columns):
        service_id, now = add(runtime, name, is_enabled=True), clock.now()
        open_until = now + timedelta(seconds=until) if until else None
        with runtime.sessions() as session:
            session.add(
                ServiceHealth(
                    service_id=service_id, state=state, since=now, checked_at=now, code=code, marks="+o",
                    gate=gate, gate_until=open_until, **columns,
                )
            )  # fmt: skip
            if override:
                said = {
                    "state": override,
                    "actor": "lin",
                    "reason": "x",
                    "at": now.isoformat(),
                    "until": None,
                }
                session.get(Service, service_id).breaker_override = said
            session.commit()
        return service_id

    return make


TRIPPED = {"state": "down", "code": "CIRCUIT_OPEN"}
OPEN = {**TRIPPED, "gate": "open", "until": 30}
TRIED = {**TRIPPED, "gate": "half_open"}


@pytest.mark.parametrize(
    ("service", "state", "says"),
    [
        (OPEN, "down", "It is them: calls to Mail fail, its circuit is open until 03:04."),
        ({**OPEN, "code": "CONNECT_TIMEOUT"}, "down", "It is them: calls to Mail fail, its circuit is open"),
        ({**TRIPPED, "gate": "open", "until": -1}, "degraded", "1 service is not quite well."),
        (TRIED, "degraded", "1 service is not quite well."),
        (TRIPPED, "degraded", "1 service is not quite well."),
        ({"gate": "half_open"}, "degraded", "1 service is not quite well."),
        ({"gate": "half_open", "state": "down", "code": "CONNECT_TIMEOUT"}, "down", "It is them: Mail does not"),
        ({"gate": "open", "until": 30, "state": "reauth", "code": "VENDOR_AUTH_REJECTED"}, "reauth",
         "Mail refuses our credentials."),
        ({"override": "open"}, "down", "Mail was taken out of use by hand."),
        ({**OPEN, "override": "closed"}, "degraded", "1 service is not quite well."),
        ({"override": "closed"}, "healthy", "All services are well."),
        ({"state": "down", "code": "KEY_UNAVAILABLE"}, "down", "It is us: Mail cannot be used from here."),
    ],
)  # fmt: skip
def test_the_sentence_and_the_state_follow_the_breaker(
    client, operator_client, put, service, state, says, token
):
    service_id = put(**service)

    assert says in words(operator_client.get("/health"))
    answer = client.get(f"/integrations/health/{service_id}", headers=token("health:read"))
    assert answer.json["state"] == state
    metrics = client.get("/metrics", headers=token("health:read")).get_data(as_text=True)
    assert f'state="{state}"}} 1' in next(
        line
        for line in metrics.splitlines()
        if line.startswith("patchbay_service_state") and line.endswith(" 1")
    )


def test_every_page_says_until_when(client, owner_client, put, runtime, token):
    service_id = put(**OPEN)
    until = "circuit open until 03:04:35"
    for page in (
        "/health",
        "/health?wall=1",
        "/settings/integrations",
        f"/settings/integrations/{service_id}",
    ):
        assert until in words(owner_client.get(page)), page
    assert "Circuit open until" in words(owner_client.get(f"/settings/integrations/{service_id}/health"))
    answer = client.get(f"/integrations/services/{service_id}", headers=token("services:read")).json
    assert answer["health"]["open_until"] == "2026-01-02T03:04:35.000Z"
    assert (answer["health"]["state"], answer["health"]["code"]) == ("down", "CIRCUIT_OPEN")


def test_badges_and_the_public_page_follow_it_too(client, put, runtime):
    service_id = put(**OPEN)
    with runtime.sessions() as session:
        publishing.renew_badges(session, runtime, actor="test")
        publishing.publish_status(session, runtime, enabled=True, actor="test")
        token = publishing.badge_token(session, runtime, service_id)
        session.commit()

    assert client.get(f"/badge/{token}.json").json == {"name": "Mail", "state": "down"}
    assert "Some services do not work." in words(client.get("/status"))


def test_several_out_of_use_are_told_as_what_they_are(operator_client, put):
    put("Mail", override="open")
    put("Post", override="open")

    assert "2 services were taken out of use by hand." in words(operator_client.get("/health"))


def test_what_is_kept_out_during_maintenance_is_under_maintenance(client, put, clock, token):
    service_id = put(override="open", maintenance_until=clock.now() + timedelta(hours=1))

    answer = client.get(f"/integrations/health/{service_id}", headers=token("health:read"))
    assert answer.json["state"] == "maintenance"
