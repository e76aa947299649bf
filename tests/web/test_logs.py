"""The pages of the call log: a search is a URL, a call is a page, and payloads are for those who may read them."""

from __future__ import annotations

import pytest

from tests.web.services import words
from webapp.engine.problems import PatchbayError
from webapp.registry import services
from webapp.sandbox import credentials
from webapp.sandbox.server import serve_in_thread

MAIL = {"to": "user@example.com", "subject": "Welcome!", "text": "Hello"}


@pytest.fixture
def sandbox():
    server = serve_in_thread()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def calls(app, runtime, sandbox):
    """One call that worked and one that the vendor refused."""
    values = {
        "api_key": credentials.SENDGRID_API_KEY,
        "from_email": "no-reply@example.com",
        "base_url": f"http://127.0.0.1:{sandbox.port}",
    }
    with runtime.sessions() as session:
        services.create(
            session,
            runtime,
            name="Mail <b>main</b>",
            service_type="EMAIL_PROVIDER_SENDGRID",
            configurations=values,
            is_enabled=True,
            sandbox=True,
            actor="tests",
            origin="cli",
        )
        session.commit()
    good = runtime.hub.call("email.send", MAIL, prefer=["EMAIL_SERVICE"], point="signup.welcome_mail").call_id
    sandbox.app.test_client().put("/_sandbox/knobs/sendgrid", json={"failure": "unauthorized"})
    with pytest.raises(PatchbayError) as refused:
        runtime.hub.call(
            "email.send", MAIL, prefer=["EMAIL_SERVICE"], point="report.nightly", correlation_id="night-1"
        )
    return good, refused.value.call_id


def test_without_calls_the_page_says_what_it_is_for(operator_client):
    assert "No calls yet" in operator_client.get("/logs").text


def test_the_list_shows_attempts_newest_first(operator_client, calls):
    page = operator_client.get("/logs").text

    assert page.index("report.nightly</span>") < page.index("signup.welcome_mail</span>")
    assert "VENDOR_AUTH_REJECTED" in page
    assert "Mail &lt;b&gt;main&lt;/b&gt;" in page
    assert "user@example.com" not in page


def test_the_code_of_an_attempt_leads_to_its_page(operator_client, calls):
    link = '<a href="/help/errors/VENDOR_AUTH_REJECTED"><code class="code">VENDOR_AUTH_REJECTED</code></a>'

    assert link in operator_client.get(f"/logs/{calls[1]}").text
    assert "/help/errors/" not in operator_client.get(f"/logs/{calls[0]}").text.partition("<main")[2]


def test_what_went_to_the_sandbox_says_so(operator_client, calls):
    for path in ("/logs", f"/logs/{calls[0]}", "/health"):
        assert ">Sandbox<" in operator_client.get(path).text, path


@pytest.mark.parametrize(
    ("query", "good", "bad"),
    [
        ("outcome=failed", False, True),
        ("status=2xx", True, False),
        ("q=AUTH_REJECTED", False, True),
        ("recipient=user@example.com", True, True),
        ("recipient=other@example.com", False, False),
        ("correlation_id=night-1", False, True),
        ("range=1h", True, True),
        ("to=2001-01-01T00:00:00Z", False, False),
    ],
)
def test_a_search_is_a_url(operator_client, calls, query, good, bad):
    page = operator_client.get(f"/logs?{query}").text

    assert ("signup.welcome_mail</span>" in page, "report.nightly</span>" in page) == (good, bad)


def test_a_part_that_cannot_be_understood_is_named_and_the_rest_runs(operator_client, calls):
    page = operator_client.get("/logs?status=teapot&outcome=failed").text

    assert "Use an HTTP status like 404 or a class like 5xx." in page
    assert "report.nightly</span>" in page
    assert "signup.welcome_mail</span>" not in page


def test_a_foreign_cursor_begins_at_the_first_page(operator_client, calls):
    assert "signup.welcome_mail" in operator_client.get("/logs?cursor=%F0%9F%92%A9").text


def test_htmx_gets_the_part_that_changes(operator_client, calls):
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
    fragment = operator_client.get("/logs?outcome=failed", headers=headers)

    assert "<html" not in fragment.text
    assert 'id="results"' in fragment.text
    assert "HX-Request" in fragment.headers["Vary"]


def test_a_call_shows_its_attempt_with_what_was_sent(operator_client, calls):
    page = operator_client.get(f"/logs/{calls[1]}").text

    assert "The service refused the credentials" in page
    assert "authorization grant is invalid" in page
    assert credentials.SENDGRID_API_KEY not in page


def test_a_viewer_sees_the_call_but_not_the_payload(viewer_client, calls):
    page = viewer_client.get(f"/logs/{calls[1]}").text

    assert "The service refused the credentials" in page
    assert "shown to operators and administrators" in page
    assert "Response body" not in page


def test_an_unknown_call_is_not_found(operator_client):
    assert operator_client.get("/logs/1").status_code == 404
    assert operator_client.get("/logs/nonsense").status_code == 404


def test_members_and_strangers_see_nothing(client, member_client):
    assert member_client.get("/logs").status_code == 403
    assert client.get("/logs").status_code in {302, 303, 401}


def test_a_call_is_told_in_the_language_of_the_reader(operator_client, calls):
    page = words(operator_client.get(f"/logs/{calls[1]}", headers={"Accept-Language": "zh-CN"}))

    assert page.count("SendGrid 不接受此 API 密钥。") == 2
    assert "SendGrid does not accept" not in page
