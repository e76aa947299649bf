"""The list of services, the catalogue, and what a service's own pages say."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from adapters.kit import Entry, Message
from tests.web.services import SECRET, SENDGRID, URL, add, add_at, words
from webapp.models import Route, ServiceHealth
from webapp.models.secret import Secret
from webapp.registry import services
from webapp.sandbox.server import serve_in_thread


@pytest.fixture
def sandbox():
    server = serve_in_thread()
    server.address = f"http://127.0.0.1:{server.port}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def say_health(runtime):
    def say(service_id, state, code=None):
        now = runtime.clock.now()
        with runtime.sessions() as session:
            session.add(
                ServiceHealth(service_id=service_id, state=state, since=now, checked_at=now, code=code)
            )
            session.commit()

    return say


def test_an_empty_installation_says_how_to_begin(admin_client, viewer_client):
    page = words(admin_client.get(URL))

    assert "Connect your first service" in page
    assert "Browse the catalogue" in page
    assert "flask --app wsgi sandbox" in page
    assert "Browse the catalogue" not in words(viewer_client.get(URL))


def test_services_stand_under_what_they_can_do(admin_client, runtime):
    add(runtime, "Mail one", is_enabled=True)
    add(
        runtime,
        "Hook",
        service_type="HTTP_PROVIDER_GENERIC",
        configurations={"base_url": "https://a.example"},
    )
    page = words(admin_client.get(URL))

    assert page.index("Email 1") < page.index("Mail one") < page.index("HTTP 1") < page.index("Hook")
    assert "2 integrations" in page
    assert "1 Not checked" in page
    assert "1 Disabled" in page


def test_a_problem_is_told_in_words(admin_client, runtime, say_health):
    say_health(add(runtime, is_enabled=True), "reauth", "VENDOR_AUTH_REJECTED")
    page = words(admin_client.get(URL))

    assert "Needs sign-in The service refused the credentials" in page
    assert "1 Needs sign-in" in page


def test_a_silent_scheduler_cannot_look_healthy(admin_client, runtime, clock, say_health):
    say_health(add(runtime, is_enabled=True), "healthy")
    clock.advance(121)
    page = words(admin_client.get(URL))

    assert "Check overdue" in page
    assert "1 Healthy" not in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"Alpha", "Beta"}),
        ("?q=alp", {"Alpha"}),
        ("?q=sendgrid+ALPHA", {"Alpha"}),
        ("?contract=HTTP_SERVICE", {"Beta"}),
        (f"?type={SENDGRID}", {"Alpha"}),
        ("?state=disabled", {"Beta"}),
        ("?state=unknown&q=alpha", {"Alpha"}),
        ("?nonsense=1", {"Alpha", "Beta"}),
    ],
)
def test_the_address_of_the_list_is_the_search(admin_client, runtime, query, shown):
    add(runtime, "Alpha", is_enabled=True)
    add(
        runtime,
        "Beta",
        service_type="HTTP_PROVIDER_GENERIC",
        configurations={"base_url": "https://a.example"},
    )
    page = words(admin_client.get(URL + query))

    assert {name for name in ("Alpha", "Beta") if f" {name} " in page} == shown


def test_a_search_without_a_hit_says_so_and_offers_the_way_out(admin_client, runtime):
    add(runtime)
    page = words(admin_client.get(f"{URL}?q=<b>nothing</b>"))

    assert "No integration matches" in page
    assert "Clear filters" in page


def test_htmx_gets_only_the_rows(admin_client, runtime):
    add(runtime)
    whole = admin_client.get(URL)
    part = admin_client.get(URL, headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert "<html" in whole.text
    assert "<html" not in part.text
    assert part.text.strip().startswith('<div id="services"')
    assert {"HX-Request", "HX-Request-Type"} <= set(part.vary)


def test_deleted_services_are_not_listed(admin_client, runtime):
    service_id = add(runtime, "Gone mail")
    with runtime.sessions() as session:
        services.delete(session, runtime, services.find(session, service_id), actor="lin", origin="cli")
        session.commit()

    assert "Gone mail" not in words(admin_client.get(URL))
    assert admin_client.get(f"{URL}/{service_id}").status_code == 404


@pytest.mark.parametrize("tab", ["", "/edit", "/health", "/history", "/disable", "/delete"])
def test_a_service_that_does_not_exist_is_not_found(admin_client, tab):
    assert admin_client.get(f"{URL}/no-such-service{tab}").status_code == 404


def test_a_viewer_sees_no_action_they_may_not_take(viewer_client, operator_client, runtime):
    service_id = add(runtime, is_enabled=True)
    seen = words(viewer_client.get(URL)) + words(viewer_client.get(f"{URL}/{service_id}"))
    operated = words(operator_client.get(URL))

    for action in ("Add integration", "Duplicate", "Delete", "Disable ", "Test now", "Edit"):
        assert action not in seen, action
    assert "Disable" in operated
    assert "Delete" not in operated


def test_the_overview_counts_what_the_log_holds(app, admin_client, runtime, sandbox):
    service_id = add_at(runtime, sandbox.address, "Mail", is_enabled=True)
    with app.app_context():
        runtime.hub.call(
            "email.send", {"to": "a@example.com", "subject": "Hi", "text": "Hello"}, prefer=SENDGRID
        )
    page = words(admin_client.get(f"{URL}/{service_id}"))

    assert "1 call in the last 24 hours; 100% succeeded" in page
    assert "It answered 1 call in the last 24 hours." in page
    assert "100%" in words(admin_client.get(URL))


@pytest.mark.parametrize("range_", ["1h", "24h", "400d", "7", "-1", "x", "9999999999"])
def test_any_range_in_the_address_is_answered(admin_client, runtime, range_):
    assert admin_client.get(f"{URL}/{add(runtime)}?range={range_}").status_code == 200


def test_the_overview_names_the_routes_that_depend_on_it(admin_client, runtime):
    alone, shared = add(runtime, "Alone"), add(runtime, "Shared")
    with runtime.sessions() as session:
        session.add(Route(name="ONLY", contract="EMAIL_SERVICE", members=[alone]))
        session.add(Route(name="BOTH", contract="EMAIL_SERVICE", members=[alone, shared]))
        session.commit()

    assert "Route ONLY has no other service: its calls will fail." in words(
        admin_client.get(f"{URL}/{alone}")
    )
    assert "Route BOTH names it at place 2 of 2; the others take over." in words(
        admin_client.get(f"{URL}/{shared}")
    )


def test_the_history_says_what_each_save_changed(admin_client, runtime):
    service_id = add(runtime)
    with runtime.sessions() as session:
        service = services.find(session, service_id)
        changes = {
            "description": "New",
            "configurations": {"api_key": "SG.another-secret-value-0000", "region": "eu"},
        }
        services.update(session, runtime, service, changes, actor="mei@example.com", origin="api")
        services.enable(session, runtime, service, actor="mei@example.com", origin="ui")
        session.commit()
    page = words(admin_client.get(f"{URL}/{service_id}/history"))

    assert page.index("3 current Enabled") < page.index("2 Changed: Description, Data region, API key")
    assert "1 Added lin@example.com" in page
    assert "SG.another" not in page


def test_a_service_whose_adapter_is_gone_can_still_be_looked_at(admin_client, runtime, monkeypatch):
    service_id = add(runtime, "Orphan", is_enabled=True)
    broken = Entry(SENDGRID, "EMAIL_SERVICE", "SendGrid", None, "x", Message.of("needs the package sendgrid"))
    known = runtime.catalog.get
    monkeypatch.setattr(runtime.catalog, "get", lambda name: broken if name == SENDGRID else known(name))

    for tab in ("", "/edit", "/health", "/history"):
        assert admin_client.get(f"{URL}/{service_id}{tab}").status_code == 200
    assert "Adapter unavailable needs the package sendgrid" in words(admin_client.get(URL))


def test_the_catalogue_shows_every_adapter_once(admin_client, runtime):
    add(runtime)
    page = words(admin_client.get(f"{URL}/catalog"))

    for entry in runtime.catalog.entries():
        assert page.count(entry.service_type) == 1
    assert "1 configured" in page


@pytest.mark.parametrize(
    ("query", "count"), [("?q=twilio+numbers", 0), ("?q=SMTP", 1), ("?contract=SMS_SERVICE", 2)]
)
def test_the_catalogue_can_be_searched(admin_client, query, count):
    page = words(admin_client.get(f"{URL}/catalog{query}"))

    assert page.count("_PROVIDER_") == count


def test_a_broken_adapter_is_shown_as_broken(admin_client, runtime, monkeypatch):
    broken = Entry(
        "STORAGE_PROVIDER_S3", "STORAGE_SERVICE", "S3", None, "x", Message.of("needs the package boto3")
    )
    monkeypatch.setattr(runtime.catalog, "entries", lambda: [broken])
    answer = admin_client.get(f"{URL}/catalog")

    assert "Cannot be used here: needs the package boto3." in words(answer)
    assert f"{URL}/new/STORAGE_PROVIDER_S3" not in answer.text


def test_the_stored_secret_is_on_no_page(admin_client, runtime):
    service_id = add(runtime)
    pages = [
        "",
        "/catalog",
        *(f"/{service_id}{tab}" for tab in ("", "/edit", "/edit?replace=api_key", "/history")),
    ]

    for path in pages:
        assert SECRET not in admin_client.get(URL + path).text, path


def test_a_service_whose_secrets_cannot_be_read_says_so(admin_client, runtime, session):
    broken = add(runtime, "Mail one")
    add(runtime, "Mail two")
    assert "Secrets unreadable" not in words(admin_client.get(URL))
    session.execute(update(Secret).where(Secret.owner_id == broken).values(ct="plain"))
    session.commit()

    assert words(admin_client.get(URL)).count("Secrets unreadable") == 1
    assert "Mail one Secrets unreadable" in words(admin_client.get(URL))
