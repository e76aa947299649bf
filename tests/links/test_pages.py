"""The way to the provider and back through the real pages."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.links.conftest import row_of
from tests.peers.oidc_provider import Person
from webapp.models.link import Link


@pytest.fixture
def registered(service, oidc_provider):
    """A service whose redirect address is the one of the pages."""
    service_id = service()
    oidc_provider.register(f"http://localhost/my/accounts/{service_id}/back")
    return service_id


def go(client, service_id, **query):
    return client.get(f"/my/accounts/{service_id}/start", query_string=query)


def come_back(client, service_id, answer):
    return client.get(f"/my/accounts/{service_id}/back", query_string=answer)


def link_account(client, service_id, account="ann", **query):
    return come_back(client, service_id, Person(account).allow(go(client, service_id, **query).location))


def test_a_member_links_an_account(member_client, registered, runtime):
    answer = link_account(member_client, registered, next="/account")

    assert (answer.status_code, answer.location) == (303, "/account")
    with runtime.sessions() as session:
        assert session.scalar(select(Link)).account_id == "ann"


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"]
)
def test_nobody_is_led_elsewhere(member_client, registered, target):
    assert link_account(member_client, registered, next=target).location == "/my"


def test_strangers_sign_in_first(client, registered):
    assert go(client, registered).status_code in {302, 303, 401}
    assert come_back(client, registered, {"state": "x", "code": "y"}).status_code in {302, 303, 401}


def test_another_site_cannot_start_it(member_client, registered):
    answer = member_client.get(f"/my/accounts/{registered}/start", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_another_browser_of_the_same_person_cannot_finish_it(app, member_client, registered, runtime):
    answer = Person("ann").allow(go(member_client, registered).location)
    with member_client.session_transaction() as browser:
        browser["links_browser"] = "of another browser"
    refused = come_back(member_client, registered, answer)

    assert (refused.status_code, refused.location) == (303, "/my")
    with runtime.sessions() as session:
        assert session.scalar(select(Link)) is None


def test_the_same_parameter_twice_is_refused(member_client, registered):
    answer = Person("ann").allow(go(member_client, registered).location)
    twice = [*answer.items(), ("state", "another")]

    assert come_back(member_client, registered, twice).status_code == 400


def test_the_back_button_does_no_harm(member_client, registered, runtime):
    answer = Person("ann").allow(go(member_client, registered).location)
    come_back(member_client, registered, answer)
    again = come_back(member_client, registered, answer)

    assert (again.status_code, again.location) == (303, "/my")
    with runtime.sessions() as session:
        (link,) = session.scalars(select(Link))
    assert (link.state, link.generation) == ("active", 1)


def test_the_person_decides_about_another_account(member_client, registered, runtime):
    link_account(member_client, registered)
    asked = link_account(member_client, registered, "bob")

    assert asked.status_code == 200
    assert "ann@provider.example" in asked.text
    assert "bob@provider.example" in asked.text
    with runtime.sessions() as session:
        assert session.scalar(select(Link.account_id)) == "ann"
    choice = asked.text.partition("choice=")[2].partition("&")[0]
    link_account(member_client, registered, "bob", choice=choice)
    with runtime.sessions() as session:
        live = select(Link.account_id).where(Link.ended_at.is_(None))
        assert list(session.scalars(live)) == ["bob"]


def test_an_unknown_service_is_refused_in_plain_words(member_client):
    answer = go(member_client, "no-such-service")

    assert (answer.status_code, answer.location) == (303, "/my")


def test_an_administrator_finds_the_address_to_register(admin_client, registered):
    page = admin_client.get(f"/settings/integrations/{registered}").text

    assert f"http://localhost/my/accounts/{registered}/back" in page


def test_no_token_is_ever_in_a_page(admin_client, member_client, registered, runtime):
    link_account(member_client, registered)
    with runtime.sessions() as session:
        link_id = session.scalar(select(Link.link_id))
    assert row_of(runtime, link_id).state == "active"
    runtime.recorder.flush()
    from tests.links.conftest import tokens_of

    tokens = tokens_of(runtime, link_id)
    pages = ["/logs", f"/settings/integrations/{registered}", "/settings/audit"]
    texts = [admin_client.get(page).text for page in pages]
    assert [token for token in (tokens.access, tokens.refresh) if any(token in text for text in texts)] == []
