"""One guard for every way out: a corpus of hosts refused alike by tests, calls, health checks, mail sessions, the
linking of accounts, the sign-in of staff, and webhooks.

Attacks 38 to 48 by number. Here: 38 the corpus in every path · 40 redirects in every path · 46 the test as a port
scanner · 47 a private address saved through API, form and by hand in the database · 48 the guard's refusal is neither
retried nor failed over. Beside: 38 (classifier), 39, 41, 42, 44 in tests/kit/test_address.py; 43, 45 in
tests/kit/test_transport.py; 40 for one request in tests/kit/test_http.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from adapters.kit import EgressPolicy
from adapters.kit.accounts import Renewal
from tests.engine.vendor import Vendor, answer
from tests.kit.test_address import FORBIDDEN
from webapp import links
from webapp.engine.problems import PatchbayError
from webapp.links.provider import REFRESH, carry
from webapp.log.filters import LogFilter
from webapp.models.service import Service
from webapp.monitor.sending import Letter, Target, Unsent, send
from webapp.monitor.sweep import Sweep
from webapp.oidcconfig import Provider
from webapp.registry import services, testing
from webapp.registry.drafts import Draft
from webapp.registry.errors import Invalid
from webapp.runtime import Runtime

MAIL = {"to": "lin@example.com", "subject": "s", "text": "t"}
BY = {"actor": "test", "origin": "cli"}
KINDS = {
    "EMAIL_PROVIDER_SENDGRID": {"api_key": "SG.a-key-nobody-may-receive", "from_email": "a@example.com"},
    "EMAIL_PROVIDER_SMTP": {
        "host": "mail.example.com", "port": 465, "security": "tls", "from_address": "a@example.com",
    },
}  # fmt: skip
ACCOUNTS = {
    "issuer": "https://accounts.example.com", "client_id": "patchbay", "client_secret": "nobody-may-receive-this",
    "api_base_url": "https://api.example.com",
}  # fmt: skip
# An address in brackets, as it stands in a URL; a zone has no place there.
HOSTS = [host for host in FORBIDDEN if "%" not in host]


@pytest.fixture
def config(config):
    """An installation that may reach public addresses only, whose resolver knows this machine."""
    return replace(config, egress=EgressPolicy())


@pytest.fixture
def add(runtime):
    """Store an enabled service, then lead it elsewhere in the database, past every check of the form."""
    count = iter(range(1000))

    def make(service_type, **settings):
        with runtime.sessions() as session:
            service = services.create(
                session, runtime, name=f"Mail {next(count)}", service_type=service_type, is_enabled=True,
                configurations={**KINDS, "OAUTH_PROVIDER_OIDC": ACCOUNTS}[service_type], **BY,
            )  # fmt: skip
            session.commit()
            changed = {**service.configurations, **settings}
            session.execute(
                update(Service).where(Service.service_id == service.service_id).values(configurations=changed)
            )
            session.commit()
            return service.service_id

    return make


def url_of(host):
    return f"https://[{host}]" if ":" in host else f"https://{host}"


def place(service_type, host):
    return {"base_url": url_of(host)} if service_type == "EMAIL_PROVIDER_SENDGRID" else {"host": host}


def by_test(runtime, service_id):
    with runtime.sessions() as session:
        service = services.find(session, service_id)
    stages = testing.run(runtime, service, None, f"tester of {service_id}").stages
    return stages[-1].code, str(stages[-1].message)


def by_unsaved_test(runtime, service_id):
    """The values of a form that was not saved: typed secrets, so that only the address can be the reason."""
    with runtime.sessions() as session:
        service = services.find(session, service_id)
    entry = runtime.catalog.get(service.service_type)
    draft = Draft.for_new(entry, {**KINDS[service.service_type], **service.configurations})
    try:
        stages = testing.run(runtime, None, draft, f"drafter of {service_id}").stages
    except Invalid:
        return "CONFIG_INVALID", ""
    return stages[-1].code, str(stages[-1].message)


def by_call(runtime, service_id):
    with pytest.raises(PatchbayError) as problem:
        runtime.hub.call("email.send", MAIL, prefer=service_id, deadline_ms=20_000)
    # A service whose settings are wrong is not even tried: its reason stands in the list of candidates.
    return problem.value.candidates[0]["code"], str(problem.value.detail)


def by_health_check(runtime, service_id):
    sweep = Sweep(runtime)
    finding = sweep.check(next(due for due in sweep.due() if due.service_id == service_id))
    return finding.code, finding.stages[-1]["message"]


WAYS = [by_test, by_unsaved_test, by_call, by_health_check]


@pytest.mark.parametrize("service_type", KINDS)
def test_38_every_path_refuses_every_host_alike(runtime, add, service_type):
    odd = {}
    for host in HOSTS:
        service_id = add(service_type, **place(service_type, host))
        found = {way.__name__: way(runtime, service_id) for way in WAYS}
        # What is not even a host name is refused as a setting, before anything looks for it.
        if {code for code, _ in found.values()} == {"CONFIG_INVALID"}:
            continue
        # One sentence for all, and not a word of what the name resolves to.
        if set(found.values()) != {("EGRESS_BLOCKED", "This destination is not allowed.")}:
            odd[host] = found

    assert odd == {}


def test_38_neither_is_an_account_linked_nor_a_token_renewed_there(runtime, add):
    odd = {}
    for host in HOSTS:
        service_id = add("OAUTH_PROVIDER_OIDC", issuer=url_of(host), api_base_url=url_of(host))
        with pytest.raises(links.LinkRefused) as refused:
            links.start(
                runtime, "lin", service_id, browser="b", redirect_uri="https://x.example/", target="/my"
            )
        with pytest.raises(PatchbayError) as problem:
            carry(runtime, service_id, REFRESH, Renewal(refresh_token="a-token-nobody-may-receive"))
        if "CONFIG_INVALID" in refused.value.reason:
            assert problem.value.candidates[0]["code"] == "CONFIG_INVALID"
            continue
        found = refused.value.reason, problem.value.candidates[0]["code"]
        if found != ("EGRESS_BLOCKED: This destination is not allowed.", "EGRESS_BLOCKED"):
            odd[host] = found

    assert odd == {}


def test_38_nor_does_staff_sign_in_there(app, runtime, caplog):
    client, odd = app.test_client(), {}
    for host in HOSTS:
        runtime.config = replace(runtime.config, oidc=Provider(url_of(host), "patchbay", "secret"))
        caplog.clear()
        answer = client.get("/login/provider")
        # The second is said of what is not even a host name, before anything looks for it.
        said = caplog.messages[-1].endswith(("is not allowed.", "is not a web address we can use."))
        if answer.location != "/login" or not said:
            odd[host] = caplog.text

    assert odd == {}


def test_38_nor_does_an_alert_go_there(runtime):
    letter = Letter("Mail is down", "Mail is down", {"state": "down"}, "k")
    odd = {}
    for host in HOSTS:
        with pytest.raises(Unsent) as unsent:
            send(
                runtime, Target("channel-of-the-test", "webhook", (), (), {}, f"{url_of(host)}/hook"), letter
            )
        if (unsent.value.code, unsent.value.again) != ("EGRESS_BLOCKED", True):
            odd[host] = unsent.value.code

    assert odd == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["{hidden}/v3/scopes", "file:///etc/passwd", "{door}/v3/scopes"])
def test_40_no_path_follows_a_redirect(config, clock, status, to):
    """To another server, to a file, or to itself for ever."""
    hidden, door = Vendor(answer(200, {"scopes": ["mail.send"]})), Vendor()
    door.does = answer(status, b"", Location=to.format(hidden=hidden.url, door=door.url))
    open_house = Runtime.create(replace(config, egress=EgressPolicy.parse(f"127.0.0.1:{door.port}")), clock)
    try:
        with open_house.sessions() as session:
            settings = {**KINDS["EMAIL_PROVIDER_SENDGRID"], "base_url": door.url}
            service = services.create(
                session, open_house, name="Mail", service_type="EMAIL_PROVIDER_SENDGRID", is_enabled=True,
                configurations=settings, **BY,
            )  # fmt: skip
            session.commit()
        for way in (by_test, by_call, by_health_check):
            code, _ = way(open_house, service.service_id)
            assert code == "VENDOR_UNEXPECTED_REDIRECT"
        assert hidden.requests == []
        assert len(door.requests) == 3
    finally:
        open_house.close()
        hidden.close()
        door.close()


def test_46_one_answer_whether_a_port_is_open_or_not(runtime, add):
    said = set()
    listening = Vendor()
    for port in (listening.port, 22, 25, 5432, 6379):
        service_id = add("EMAIL_PROVIDER_SENDGRID", base_url=f"https://127.0.0.1:{port}")
        said.add(by_test(runtime, service_id))
    listening.close()

    assert said == {("EGRESS_BLOCKED", "This destination is not allowed.")}
    assert listening.requests == []


def test_46_the_test_button_is_no_port_scanner(admin_client, api_client, token):
    """A hundred ports, by the form of the page and by the API: ten are looked at, all with one answer."""
    new = "/settings/integrations/test?type=EMAIL_PROVIDER_SENDGRID"
    settings = {f"config-{name}": value for name, value in KINDS["EMAIL_PROVIDER_SENDGRID"].items()}
    pages = [
        admin_client.post(new, data={"name": "M", **settings, "config-base_url": f"https://8.8.8.8:{port}"})
        for port in range(1, 101)
    ]
    made = api_client.post("/integrations/services", headers=token(), json={
        "service_name": "M", "service_type": "EMAIL_PROVIDER_SENDGRID", "is_enabled": False,
        "configurations": KINDS["EMAIL_PROVIDER_SENDGRID"],
    })  # fmt: skip
    answers = [
        api_client.post(
            f"/integrations/services/{made.json['service_id']}/test-connection",
            headers=token(),
            json={
                "configurations": {"base_url": f"https://8.8.8.8:{port}", "api_key": "SG.typed-for-the-test"}
            },
        )
        for port in range(1, 101)
    ]

    assert {"This destination is not allowed." in page.text for page in pages[:10]} == {True}
    assert {"Too many tests" in page.text for page in pages[10:]} == {True}
    assert not any("not allowed" in page.text for page in pages[10:])
    assert {answer.status_code for answer in answers[10:]} == {429}
    assert {str(answer.json) for answer in answers[:10]} == {str(answers[0].json)}


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1", "https://[::1]", "https://169.254.169.254", "https://localhost"]
)
def test_47_a_private_address_is_refused_when_it_is_saved(runtime, session, url):
    settings = {**KINDS["EMAIL_PROVIDER_SENDGRID"], "base_url": url}
    with pytest.raises(Invalid) as refusal:
        services.create(
            session, runtime, name="M", service_type="EMAIL_PROVIDER_SENDGRID", configurations=settings, **BY
        )

    assert [(flaw.field, flaw.code) for flaw in refusal.value.errors] == [("base_url", "blocked")]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "::1", "0x7f.1", "localhost"])
def test_47_so_is_a_private_mail_server(runtime, session, host):
    settings = {**KINDS["EMAIL_PROVIDER_SMTP"], "host": host}
    with pytest.raises(Invalid) as refusal:
        services.create(
            session, runtime, name="M", service_type="EMAIL_PROVIDER_SMTP", configurations=settings, **BY
        )

    assert {flaw.field for flaw in refusal.value.errors} == {"host"}


def test_47_and_an_address_for_the_health_check(runtime, session):
    with pytest.raises(Invalid) as refusal:
        services.create(
            session, runtime, name="M", service_type="EMAIL_PROVIDER_SENDGRID",
            configurations=KINDS["EMAIL_PROVIDER_SENDGRID"], health_check_endpoint="https://10.0.0.1/health", **BY,
        )  # fmt: skip

    assert [(flaw.field, flaw.code) for flaw in refusal.value.errors] == [
        ("health_check_endpoint", "blocked")
    ]


def test_47_what_was_allowed_once_does_not_stop_a_change_of_something_else(runtime, session, add):
    service_id = add("EMAIL_PROVIDER_SENDGRID", base_url="https://10.0.0.1")
    service = services.find(session, service_id)

    services.update(session, runtime, service, {"configurations": {"from_name": "Shop"}}, **BY)

    assert service.configurations["from_name"] == "Shop"


def test_47_the_api_and_the_page_refuse_it_too(api_client, admin_client, token, runtime):
    settings = {**KINDS["EMAIL_PROVIDER_SENDGRID"], "base_url": "https://10.0.0.1"}
    body = {"service_name": "M", "service_type": "EMAIL_PROVIDER_SENDGRID", "configurations": settings}
    form = {"name": "M"} | {f"config-{name}": value for name, value in settings.items()}

    by_api = api_client.post("/integrations/services", json=body, headers=token())
    by_page = admin_client.post("/settings/integrations/new/EMAIL_PROVIDER_SENDGRID", data=form)

    assert (by_api.status_code, by_api.json["errors"][0]["code"]) == (422, "blocked")
    assert by_page.status_code == 422
    assert "This destination is not allowed." in by_page.text


@pytest.fixture
def api_client(app):
    return app.test_client()


def test_48_the_refusal_is_neither_retried_nor_handed_on(runtime, add):
    bad = add("EMAIL_PROVIDER_SENDGRID", base_url="https://127.0.0.1")
    next_one = add("EMAIL_PROVIDER_SENDGRID", base_url="https://10.0.0.1")

    with pytest.raises(PatchbayError) as problem:
        runtime.hub.call("email.send", MAIL, prefer=[bad, next_one])

    rows = runtime.log.search(LogFilter(call_id=problem.value.call_id)).items
    assert [(row.service_id, row.code, row.effect) for row in rows if row.kind == "attempt"] == [
        (bad, "EGRESS_BLOCKED", "NONE")
    ]
