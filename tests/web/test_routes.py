"""The pages of routes work with plain forms."""

from __future__ import annotations

import json

import pytest

from webapp.drill.scenarios import SCENARIOS
from webapp.engine import PatchbayError
from webapp.registry import services

MAIL = {"to": ["lin@example.com"], "subject": "Welcome!", "text": "Hello"}
CONFIG = {"api_key": "SG.a-key-that-is-long-enough", "from_email": "no-reply@example.com"}


@pytest.fixture
def mails(app, runtime):
    """Two mail services, by name."""
    made = {}
    with runtime.sessions() as session:
        for name in ("Main", "Spare"):
            service = services.create(
                session,
                runtime,
                name=name,
                service_type="EMAIL_PROVIDER_SENDGRID",
                configurations=CONFIG,
                actor="tests",
                origin="cli",
            )
            made[name] = service.service_id
        session.commit()
    return made


@pytest.fixture
def route(admin_client):
    answer = admin_client.post(
        "/settings/routes/new", data={"name": "EMAIL_PROVIDER_PRIMARY", "contract": "EMAIL_SERVICE"}
    )
    assert answer.status_code == 303
    return answer.headers["Location"]


def members(runtime):
    with runtime.sessions() as session:
        from webapp.registry.routes import find

        return list(find(session, "EMAIL_PROVIDER_PRIMARY").members)


def test_the_first_visit_says_what_a_route_is(admin_client):
    assert "No routes yet" in admin_client.get("/settings/routes").text


def test_services_are_added_ordered_and_removed(admin_client, runtime, route, mails):
    main, spare = mails["Main"], mails["Spare"]
    for action in ({"add": spare}, {"add": main}, {"up": main}):
        assert admin_client.post(route, data={"description": "Mail", **action}).status_code == 303
    assert members(runtime) == [main, spare]

    admin_client.post(route, data={"down": main})
    assert members(runtime) == [spare, main]
    admin_client.post(route, data={"remove": spare})
    assert members(runtime) == [main]
    assert "Main" in admin_client.get("/settings/routes").text


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "lower case", "contract": "EMAIL_SERVICE"}, "name"),
        ({"name": "", "contract": "EMAIL_SERVICE"}, "name"),
        ({"name": "EMAIL_SERVICE", "contract": "EMAIL_SERVICE"}, "name"),
        ({"name": "MAIL", "contract": "NO_SUCH_CONTRACT"}, "contract"),
    ],
)
def test_a_wrong_value_is_said_beside_its_field(admin_client, values, field):
    answer = admin_client.post("/settings/routes/new", data=values)

    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert f'href="#f-{field}"' in answer.text


def test_a_name_is_taken_once(admin_client, route):
    answer = admin_client.post(
        "/settings/routes/new", data={"name": "EMAIL_PROVIDER_PRIMARY", "contract": "EMAIL_SERVICE"}
    )

    assert answer.status_code == 422
    assert "already a route" in answer.text


def test_an_unknown_service_is_refused_and_nothing_changes(admin_client, runtime, route):
    assert admin_client.post(route, data={"add": "nobody"}).status_code == 422
    assert members(runtime) == []


def test_a_route_is_deleted(admin_client, route):
    assert admin_client.post(f"{route}/delete").status_code == 303
    assert admin_client.get(route).status_code == 404


def test_operators_read_and_administrators_write(operator_client):
    assert operator_client.get("/settings/routes").status_code == 200
    assert operator_client.get("/settings/routes/new").status_code == 403
    assert operator_client.post("/settings/routes/X/delete").status_code == 403


def fragment(client, url, **data):
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
    return client.post(url, data=data, headers=headers)


def test_a_new_order_can_be_undone(admin_client, runtime, route, mails):
    main, spare = mails["Main"], mails["Spare"]
    for service in (main, spare):
        admin_client.post(route, data={"add": service})

    answer = fragment(admin_client, route, up=spare)

    assert members(runtime) == [spare, main]
    toast = json.loads(answer.headers["HX-Trigger"])["toast"]
    assert "Spare → Main" in toast["text"]
    assert "<html" not in answer.text
    assert admin_client.post(toast["undo"]).status_code == 303
    assert members(runtime) == [main, spare]
    assert admin_client.post(f"{route}/order?members=nobody", follow_redirects=True).status_code == 200
    assert members(runtime) == [main, spare]


def test_ordering_keeps_the_description(admin_client, runtime, route, mails):
    admin_client.post(route, data={"description": "Mail to customers"})
    admin_client.post(route, data={"add": mails["Main"]})

    assert "Mail to customers" in admin_client.get(route).text


def test_a_route_in_a_route_is_refused(admin_client, runtime, route):
    admin_client.post(
        "/settings/routes/new", data={"name": "EMAIL_PROVIDER_BACKUP", "contract": "EMAIL_SERVICE"}
    )

    for name in ("EMAIL_PROVIDER_BACKUP", "EMAIL_PROVIDER_PRIMARY"):
        answer = admin_client.post(route, data={"add": name})
        assert answer.status_code == 422
        assert "never routes" in answer.text
    assert members(runtime) == []


def test_the_page_says_what_a_call_would_do_now(admin_client, operator_client, runtime, route, mails):
    empty = operator_client.get(route).text
    assert "NO_PROVIDER_AVAILABLE" in empty
    admin_client.post(route, data={"add": mails["Spare"]})
    admin_client.post(route, data={"add": mails["Main"]})
    with runtime.sessions() as session:
        services.enable(session, runtime, services.find(session, mails["Main"]), actor="tests", origin="cli")
        session.commit()

    page = operator_client.get(route).text

    assert "Tried first" in page
    assert "Spare is disabled." in page
    assert 'href="/help/errors/CONFIG_DISABLED"' in page
    assert "Move Spare up" not in page


def test_the_page_says_who_uses_the_route(operator_client, runtime, route):
    with pytest.raises(PatchbayError):
        runtime.hub.call("email.send", MAIL, prefer="EMAIL_PROVIDER_PRIMARY", point="signup.welcome_mail")
    with pytest.raises(PatchbayError):
        runtime.hub.call("email.send", MAIL, prefer="EMAIL_SERVICE", point="order.shipped")

    page = operator_client.get(route).text

    assert "signup.welcome_mail" in page
    assert "order.shipped" not in page


def test_viewers_do_not_drill(viewer_client):
    assert viewer_client.post("/settings/routes/X/drill").status_code == 403


def test_the_drill_streams_or_comes_as_a_page(admin_client, operator_client, runtime, route, mails):
    assert operator_client.post("/settings/routes/NOBODY/drill").status_code == 404
    refused = operator_client.post(f"{route}/drill")
    assert refused.status_code == 409
    assert "no enabled service" in refused.text

    admin_client.post(route, data={"add": mails["Main"]})
    with runtime.sessions() as session:
        services.enable(session, runtime, services.find(session, mails["Main"]), actor="tests", origin="cli")
        session.commit()
    streamed = fragment(operator_client, f"{route}/drill")

    assert streamed.mimetype == "text/event-stream"
    assert streamed.text.count("\n\n") == len(SCENARIOS) + 1
    assert "nothing was done twice" in streamed.text
