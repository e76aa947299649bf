"""The pages of health, alerts and maintenance, read as text."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.web.services import add, words
from webapp.engine.breaker import Vote
from webapp.models.alert import AlertChannel, AlertDelivery
from webapp.models.health import Lease, ServiceHealth
from webapp.models.incident import Incident
from webapp.monitor import channels, publishing, rules, selftest


@pytest.fixture
def put(runtime, clock):
    """Stores an enabled service in a state."""

    def make(name, state="healthy", code=None, **columns):
        service_id = add(runtime, name, is_enabled=True)
        now = clock.now()
        with runtime.sessions() as session:
            row = {"since": now, "checked_at": now, "code": code, "marks": "+", **columns}
            session.add(ServiceHealth(service_id=service_id, state=state, **row))
            session.commit()
        return service_id

    return make


@pytest.fixture
def leads(runtime, clock):
    """A process that looks after the checks."""
    with runtime.sessions() as session:
        session.add(Lease(name="monitor", holder="x", until=clock.now() + timedelta(seconds=30)))
        session.commit()


@pytest.fixture
def incident(runtime, clock, put):
    service_id = put("Mail", "down", "CONNECT_REFUSED")
    with runtime.sessions() as session:
        made = Incident(
            subject=service_id, service_name="Mail", state="down", code="CONNECT_REFUSED", opened_at=clock.now(),
            points=["signup"],
        )  # fmt: skip
        session.add(made)
        session.commit()
        return made.incident_id


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ([], "No service is watched yet."),
        (["healthy", "healthy"], "All services are well."),
        (["healthy", "down"], "It is them: Mail 1 does not work."),
        (["reauth", "down"], "2 services do not work."),
        (["healthy", "degraded"], "1 service is not quite well."),
    ],
)
def test_the_sentence_on_top(operator_client, put, leads, states, says):
    for number, state in enumerate(states):
        put(f"Mail {number}", state)

    assert says in words(operator_client.get("/health"))


def test_without_a_scheduler_nothing_is_green(operator_client, put):
    put("Mail")

    page = words(operator_client.get("/health"))
    assert "Nobody checks at the moment" in page
    assert "All services are well." not in page


def test_a_check_that_is_overdue_is_not_green(operator_client, put, leads, clock):
    put("Mail", checked_at=clock.now() - timedelta(minutes=5))

    assert "1 check is overdue." in words(operator_client.get("/health"))


def test_an_outage_outranks_maintenance(operator_client, put, leads, clock):
    until = clock.now() + timedelta(hours=1)
    put("Mail A", "degraded", maintenance_until=until)
    put("Mail B", "down", maintenance_until=until)

    page = words(operator_client.get("/health"))
    assert page.count("Maintenance") >= 2
    assert "It is them: Mail B does not work." in page


@pytest.mark.parametrize("range_", ["24h", "7d", "30d", "90d", "nonsense"])
def test_every_range_and_the_wall(operator_client, put, leads, range_):
    service_id = put("Mail")

    assert operator_client.get(f"/health?range={range_}").status_code == 200
    assert operator_client.get(f"/health?wall=1&range={range_}").status_code == 200
    assert (
        operator_client.get(f"/settings/integrations/{service_id}/health?range={range_}&failed=1").status_code
        == 200
    )


def test_the_board_tells_how_the_breakers_stand(operator_client, put, leads, runtime):
    put("Mail")
    left, forced = put("Left"), put("Forced")
    for _ in range(5):
        permit = runtime.gates.breakers.acquire(left)
        runtime.gates.breakers.record(left, permit, Vote.FAILURE)
    form = {"action": "open", "reason": "They asked for it.", "expires_in_s": "3600"}
    assert operator_client.post(f"/settings/integrations/{forced}/breaker", data=form).status_code == 303

    page = words(operator_client.get("/health"))
    assert ("Calls pass" in page, "Left alone until" in page, "Taken out of use" in page) == (
        True,
        True,
        True,
    )


def test_a_dead_scheduler_is_never_green_anywhere(client, owner_client, put):
    """Nobody has held the lease yet: the board, the wall and the public page all say so."""
    put("Mail")
    owner_client.post("/status", data={"enabled": "1"})
    for page in ("/health", "/health?wall=1"):
        text = owner_client.get(page).get_data(as_text=True)
        assert "Nobody checks at the moment" in text
        assert "health-verdict tone-bad" in text
    public = client.get("/status").get_data(as_text=True)
    assert "not being checked at the moment" in public
    assert "health-verdict tone-ok" not in public


def test_the_wall_shows_the_board_without_anything_to_press(owner_client, put, leads, incident):
    text = owner_client.get("/health?wall=1").get_data(as_text=True)

    assert 'class="wall"' in text
    assert "data-hx-get" in text or "hx-get" in text
    assert '<nav class="nav"' not in text


def test_the_banner_stands_on_every_page_while_nobody_can_be_reached(
    owner_client, viewer_client, runtime, put
):
    put("Mail")
    with runtime.sessions() as session:
        url = {"name": "Pager", "kind": "webhook", "url": "http://127.0.0.1:9/x"}
        channel = channels.create(session, runtime, url, actor="test")
        rules.create(session, runtime, {"name": "On call", "channels": [channel.channel_id]}, actor="test")
        session.commit()
    assert "No alert channel works" not in words(owner_client.get("/logs"))
    selftest.self_test(runtime)  # nobody listens on that port
    for page in ("/logs", "/settings/integrations", "/health"):
        assert "Alerts reach nobody: Pager." in words(owner_client.get(page))
    assert "No alert channel works" not in words(viewer_client.get("/health"))


def test_the_banner_tells_whether_all_ways_are_closed_or_only_some(owner_client, runtime, put, clock):
    with runtime.sessions() as session:
        made = [
            channels.create(
                session,
                runtime,
                {"name": name, "kind": "webhook", "url": "http://127.0.0.1:9/x"},
                actor="test",
            )
            for name in ("Pager", "Desk")
        ]
        rules.create(session, runtime, {"name": "On call", "channels": [made[0].channel_id]}, actor="test")
        made[0].failure = "CONNECT_REFUSED"
        session.add(
            AlertDelivery(key="k", kind="problem", channels=[made[0].channel_id], status="stuck",
                          created_at=clock.now(), due_at=clock.now())
        )  # fmt: skip
        session.commit()
        desk = made[1].channel_id
    page = words(owner_client.get("/health"))
    assert "Some alerts do not arrive" in page
    assert "Nobody could be reached through Pager; it is tried again." in page
    assert "No alert channel works" not in page
    with runtime.sessions() as session:
        session.get(AlertChannel, desk).failure = "CONNECT_REFUSED"
        session.commit()
    assert "No alert channel works" in words(owner_client.get("/health"))


def test_trouble_of_ours_is_called_by_its_name(operator_client, runtime, put, leads, clock):
    put("Mail")
    with runtime.sessions() as session:
        session.add(Incident(subject="network", state="network", opened_at=clock.now(), points=[]))
        session.commit()

    page = words(operator_client.get("/health"))
    assert "It is probably us: nearly no service can be reached." in page
    assert "Unreachable" in page


def test_an_incident_is_acknowledged_and_noted(operator_client, incident):
    page = f"/health/incidents/{incident}"
    assert "Nobody looks after it yet." in words(operator_client.get("/health"))
    assert operator_client.post(f"{page}/acknowledge").status_code == 303
    assert operator_client.post(f"{page}/note", data={"note": ""}).status_code == 422
    assert operator_client.post(f"{page}/note", data={"note": "They <b>know</b>."}).status_code == 303

    text = operator_client.get(page).get_data(as_text=True)
    assert "They &lt;b&gt;know&lt;/b&gt;." in text
    assert "operator@example.com" in text
    assert operator_client.get("/health/incidents/nothing").status_code == 404


def test_viewers_look_and_do_not_touch(viewer_client, incident):
    assert "Acknowledge" not in words(viewer_client.get("/health"))
    assert viewer_client.post(f"/health/incidents/{incident}/acknowledge").status_code == 403
    assert viewer_client.get("/settings/alerts").status_code == 403


def test_a_window_is_planned_refused_and_ended(operator_client, put, leads, clock):
    service_id = put("Mail")
    start = clock.now() + timedelta(hours=1)

    def plan(title="Move", begins=start, length=60, services=(service_id,)):
        ends = begins + timedelta(minutes=length)
        form = {
            "title": title,
            "starts_at": begins.isoformat()[:16],
            "ends_at": ends.isoformat()[:16],
            "services": list(services),
        }
        return operator_client.post("/health/maintenance", data=form)

    assert plan().status_code == 303
    assert "overlaps with the window Move" in words(plan("Other"))
    assert "overlaps" in words(plan("All", services=()))
    assert "cannot end before it begins" in words(plan("Back", length=-10))
    assert "over already" in words(plan("Past", begins=start - timedelta(days=2)))
    assert (
        operator_client.post("/health/maintenance", data={"title": "x", "starts_at": "soon"}).status_code
        == 422
    )
    page = operator_client.get("/health/maintenance").get_data(as_text=True)
    window = page.split("/health/maintenance/")[1].split('"')[0]
    assert operator_client.post(f"/health/maintenance/{window}/end").status_code == 303
    assert "No maintenance is planned" in words(operator_client.get("/health/maintenance"))


def test_a_window_is_planned_for_every_week(operator_client, put, leads):
    put("Mail")
    form = {
        "title": "Weekly", "starts_at": "2026-01-04T02:00", "ends_at": "2026-01-04T04:00", "repeats": "weekly",
        "repeat_until": "2026-02-01",
    }  # fmt: skip
    page = "/health/maintenance"
    assert operator_client.post(page, data={**form, "repeats": "yearly"}).status_code == 422
    assert "Only a window that repeats" in words(operator_client.post(page, data={**form, "repeats": ""}))
    assert operator_client.post(page, data=form).status_code == 303
    listed = operator_client.get(page).get_data(as_text=True)
    window = listed.split("/health/maintenance/")[1].split('"')[0]
    assert "Every week, this day from 02:00 to 04:00 (UTC)" in listed
    assert 'datetime="2026-01-04T02:00:00' in listed

    assert operator_client.post(f"{page}/{window}/skip").status_code == 303
    assert 'datetime="2026-01-11T02:00:00' in operator_client.get(page).get_data(as_text=True)
    assert operator_client.post(f"{page}/{window}/end").status_code == 303
    assert operator_client.post(f"{page}/{window}/skip").status_code == 404
    assert operator_client.post(page, data={**form, "repeats": "", "repeat_until": ""}).status_code == 303
    once = operator_client.get(page).get_data(as_text=True).split("/health/maintenance/")[1].split('"')[0]
    operator_client.post(f"{page}/{once}/skip")
    assert "nothing to leave out" in words(operator_client.get(page))


def test_rules_are_told_as_sentences(owner_client, put):
    put("Mail")
    assert "Nobody is told yet" in words(owner_client.get("/settings/alerts"))
    form = {"name": "Hook", "kind": "webhook", "url": "http://127.0.0.1:9/secret-part", "locale": "en"}
    assert owner_client.post("/settings/alerts/channels/new", data=form).status_code == 303
    page = owner_client.get("/settings/alerts").get_data(as_text=True)
    assert "secret-part" not in page
    channel = page.split("/settings/alerts/channels/")[2].split("/")[0].split('"')[0]
    rule = {
        "name": "On call",
        "states": ["down"],
        "after": "5",
        "channel-1": channel,
        "is_enabled": "1",
        "remind": "60",
    }
    assert owner_client.post("/settings/alerts/rules/new", data={**rule, "channel-1": ""}).status_code == 422
    assert owner_client.post("/settings/alerts/rules/new", data={**rule, "after": "soon"}).status_code == 422
    assert owner_client.post("/settings/alerts/rules/new", data=rule).status_code == 303

    text = words(owner_client.get("/settings/alerts"))
    assert "When any service is in one of these states for 5 minutes (Down), tell Hook." in text
    assert "Remind every 1 hour until somebody looks after it." in text
    assert owner_client.post(f"/settings/alerts/channels/{channel}/delete").status_code == 303
    assert "The rule On call uses it" in words(owner_client.get("/settings/alerts"))


def test_the_public_page_is_off_and_says_little(client, owner_client, put, leads):
    put("Mail", "down", "CONNECT_REFUSED")
    owner_client.post("/status", data={"enabled": "0"})
    assert client.get("/status").status_code == 404
    owner_client.post("/status", data={"enabled": "1"})

    text = client.get("/status").get_data(as_text=True)
    assert "Mail" in text
    assert "Down" in text
    assert not any(hidden in text for hidden in ("CONNECT_REFUSED", "example.com", "SENDGRID", "x9Qz"))


def test_badges_lead_nowhere_when_guessed(client, owner_client, put, runtime):
    service_id = put("Mail & Co", "down")
    assert client.get("/badge/aaaaaaaaaaaaaaaaaaaaaaaa.json").status_code == 404
    owner_client.post("/badge/renew")
    with runtime.sessions() as session:
        token = publishing.badge_token(session, runtime, service_id)

    assert json.loads(client.get(f"/badge/{token}.json").data) == {"name": "Mail & Co", "state": "down"}
    assert b"Mail &amp; Co" in client.get(f"/badge/{token}.svg").data
    owner_client.post("/badge/renew")
    assert client.get(f"/badge/{token}.json").status_code == 404
