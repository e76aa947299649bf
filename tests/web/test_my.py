"""The page of linked accounts: what stands on it, what it does, and what nobody else ever gets to see."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tests.links.conftest import change, clock, row_of, service, tokens_of  # noqa: F401 - fixtures among them
from tests.peers.oidc_provider import Person
from tests.people import make_user, sign_in
from tests.web.services import words
from webapp.models.link import Link
from webapp.models.session import UserSession
from webapp.registry import services

PAGE = "/my"


@pytest.fixture
def provider(runtime, service, oidc_provider):
    """A service whose redirect address is the one of the pages, under a name that people know."""
    service_id = service()
    oidc_provider.register(f"http://localhost/my/accounts/{service_id}/back")
    return service_id


def connect(client, service_id, account="ann", **answer):
    """Go to the provider and come back, as a browser would; the page one lands on."""
    there = client.get(f"/my/accounts/{service_id}/start").location
    back = Person(account).allow(there, **answer)
    return client.get(f"/my/accounts/{service_id}/back", query_string=back, follow_redirects=True)


@pytest.fixture
def linked(member_client, provider, runtime):
    """The link of the member's account ann."""
    connect(member_client, provider)
    with runtime.sessions() as session:
        return session.scalar(select(Link.link_id))


def news(page):
    """What stands between the title and the groups."""
    return page.text.partition("</h1>")[2].partition('class="my-group"')[0].partition('class="empty"')[0]


def use(runtime, link_id, point="calendar.sync", times=1):
    """Count uses as calls do."""
    for _ in range(times):
        runtime.links.usage.note(link_id, point)
    runtime.links.usage.flush()


class TestWhatStandsOnIt:
    def test_a_member_lands_here_and_sees_nothing_of_the_administration(self, member_client):
        landed = member_client.get("/", follow_redirects=True)

        assert landed.request.path == PAGE
        assert landed.status_code == 200
        assert "/settings" not in landed.text
        assert "/logs" not in landed.text

    def test_others_find_it_in_their_menu(self, viewer_client):
        assert 'href="/my"' in viewer_client.get("/settings/integrations").text
        assert viewer_client.get(PAGE).status_code == 200

    def test_nothing_to_link(self, member_client):
        assert "There is nothing to link yet" in words(member_client.get(PAGE))

    @pytest.mark.usefixtures("provider")
    def test_before_the_first_link_it_says_what_linking_does(self, member_client):
        said = words(member_client.get(PAGE))

        assert "No account is linked yet" in said
        assert "Your password stays with the provider" in said
        assert "See your email address" in said
        assert "Connect" in said

    def test_a_disabled_service_is_not_offered(self, member_client, provider, runtime):
        switch(runtime, provider, on=False)

        assert "There is nothing to link yet" in words(member_client.get(PAGE))

    def test_a_link_with_all_that_is_known_of_it(self, member_client, linked, runtime):
        use(runtime, linked)
        said = words(member_client.get(PAGE))

        assert "Connected" in said
        assert "Needs attention" not in said
        assert "ann@provider.example" in said
        assert "See your email address" in said
        assert "offline_access" in said
        assert "by calendar.sync" in said
        assert "until you end it" in said

    def test_what_the_person_refused_is_named_and_can_be_allowed_later(self, member_client, provider):
        said = words(connect(member_client, provider, without=("calendar",)))

        assert "Not allowed: Whatever calendar allows at the provider" in said
        assert "Allow what is missing" in said

    def test_an_administrators_own_words_in_the_language_of_the_reader(self, member_client, service):
        service(scope_words="calendar = Read your calendar | 查看你的日历")

        assert "Read your calendar" in words(member_client.get(PAGE))
        chinese = member_client.get(PAGE, headers={"Accept-Language": "zh-CN"})
        assert "查看你的日历" in words(chinese)

    def test_who_needs_to_sign_in_stands_first(self, member_client, linked, runtime):
        change(runtime, linked, state="needs_sign_in")
        said = words(member_client.get(PAGE))

        assert "Needs attention" in said
        assert "no longer accepts the link" in said
        assert "Reconnect" in said

    def test_a_request_of_the_administration(self, member_client, linked, runtime):
        change(runtime, linked, asked_again_at=runtime.clock.now())

        assert "Please sign in again" in words(member_client.get(PAGE))

    def test_a_provider_that_is_away_is_nobodys_fault(self, member_client, linked, runtime):
        change(runtime, linked, failures=2, failure="CONNECT_TIMEOUT", failed_at=runtime.clock.now())
        said = words(member_client.get(PAGE))

        assert "does not answer at the moment" in said
        assert "Needs attention" not in said

    @pytest.mark.usefixtures("linked")
    def test_a_service_that_is_switched_off(self, member_client, provider, runtime):
        switch(runtime, provider, on=False)
        page = member_client.get(PAGE)

        assert "Not in use at the moment" in words(page)
        assert "/start" not in page.text

    @pytest.mark.usefixtures("linked")
    def test_while_the_key_is_away(self, member_client, runtime, monkeypatch):
        locked = dataclasses.replace(runtime.vault.state(), locked=True)
        monkeypatch.setattr(runtime.vault, "state", lambda: locked)
        said = words(member_client.get(PAGE))

        assert "Your links are kept" in said
        assert "no secret can be stored" not in said

    @pytest.mark.usefixtures("linked")
    def test_in_chinese(self, member_client):
        said = words(member_client.get(PAGE, headers={"Accept-Language": "zh-CN"}))

        assert "关联账户" in said
        assert "What the link allows" not in said

    def test_no_token_ever(self, member_client, linked, runtime):
        tokens = tokens_of(runtime, linked)
        paths = (
            PAGE,
            f"/my/links/{linked}",
            f"/my/links/{linked}/disconnect",
            "/my/disconnect-all",
            "/my/data.json",
        )
        texts = [member_client.get(path).text for path in paths]

        assert [
            token for token in (tokens.access, tokens.refresh) if any(token in text for text in texts)
        ] == []


class TestNotices:
    def test_the_first_use_by_a_feature_is_told_until_it_is_put_away(
        self, member_client, linked, runtime, clock
    ):
        clock.advance(60)
        use(runtime, linked, "report.weekly")
        assert "Used for the first time by: report.weekly" in words(member_client.get(PAGE))

        answer = member_client.post(f"/my/links/{linked}/seen")

        assert (answer.status_code, answer.location) == (303, f"/my#link-{linked}")
        assert "Used for the first time" not in words(member_client.get(PAGE))

    def test_ninety_days_without_use(self, member_client, linked, runtime):
        long_ago = runtime.clock.now() - timedelta(days=91)
        change(runtime, linked, linked_at=long_ago)
        assert "for 90 days" in words(member_client.get(PAGE))

        member_client.post(f"/my/links/{linked}/seen")

        assert "for 90 days" not in words(member_client.get(PAGE))


class TestTheWayBack:
    def test_denied(self, member_client, provider):
        there = member_client.get(f"/my/accounts/{provider}/start").location
        answer = Person("ann").deny(there)
        page = member_client.get(f"/my/accounts/{provider}/back", query_string=answer, follow_redirects=True)

        assert "Accounts 1 You did not allow the link" in words(page)
        assert f'href="/my/accounts/{provider}/start"' in news(page)
        assert "start" not in news(member_client.get(PAGE))

    def test_the_provider_is_away(self, member_client, provider, oidc_provider):
        there = member_client.get(f"/my/accounts/{provider}/start").location
        answer = Person("ann").allow(there)
        oidc_provider.disturb("/token", "503", times=9)
        page = member_client.get(f"/my/accounts/{provider}/back", query_string=answer, follow_redirects=True)

        assert "does not answer at the moment" in words(page)
        assert "start" in news(page)

    def test_a_service_that_is_gone_is_not_tried_again(self, member_client):
        page = member_client.get("/my/accounts/none/start", follow_redirects=True)

        assert page.status_code == 200
        assert "cannot be linked" in words(page) or 'role="alert"' in news(page)
        assert "start" not in news(page)


class TestDisconnecting:
    def test_it_asks_first_and_names_what_stops(self, member_client, linked, runtime):
        use(runtime, linked)
        said = words(member_client.get(f"/my/links/{linked}/disconnect"))

        assert "This stops working for you: calendar.sync" in said
        assert row_of(runtime, linked).ended_at is None

    def test_here_and_at_the_provider(self, member_client, linked, runtime, oidc_provider):
        token = tokens_of(runtime, linked).refresh
        answer = member_client.post(f"/my/links/{linked}/disconnect")
        said = words(member_client.get(PAGE))

        assert (answer.status_code, answer.location) == (303, PAGE)
        assert "The provider has forgotten the permission" in said
        assert not oidc_provider.is_live(token)
        assert row_of(runtime, linked).state == "ended"
        later = words(member_client.get(PAGE))
        assert "has forgotten" not in later
        assert "ann@provider.example · ended just now" in later
        assert member_client.get(f"/my/links/{linked}").status_code == 200

    def test_a_provider_that_refuses_leaves_a_step_to_the_person(
        self, member_client, service, oidc_provider, runtime
    ):
        service_id = service(end_url="https://provider.example/connections")
        oidc_provider.register(f"http://localhost/my/accounts/{service_id}/back")
        connect(member_client, service_id)
        with runtime.sessions() as session:
            link_id = session.scalar(select(Link.link_id))
        assert (
            "https://provider.example/connections"
            in member_client.get(f"/my/links/{link_id}/disconnect").text
        )
        oidc_provider.disturb("/token/revocation", "400", times=9, body={"error": "invalid_request"})
        member_client.post(f"/my/links/{link_id}/disconnect")
        page = member_client.get(PAGE)

        assert "did not accept our word" in words(page)
        assert 'href="https://provider.example/connections"' in page.text
        assert row_of(runtime, link_id).state == "ended"

    def test_a_provider_that_is_away(self, member_client, linked, oidc_provider):
        oidc_provider.disturb("/token/revocation", "503", times=9)
        member_client.post(f"/my/links/{linked}/disconnect")

        assert "did not answer, so it may still list us" in words(member_client.get(PAGE))

    def test_twice_is_once(self, member_client, linked):
        member_client.post(f"/my/links/{linked}/disconnect")

        assert member_client.post(f"/my/links/{linked}/disconnect").status_code == 404
        assert member_client.get(f"/my/links/{linked}/disconnect").location == PAGE

    @pytest.mark.usefixtures("linked")
    def test_all_at_once(self, member_client, service, oidc_provider):
        other = service()
        oidc_provider.register(f"http://localhost/my/accounts/{other}/back")
        connect(member_client, other, "bob")
        said = words(member_client.get("/my/disconnect-all"))
        assert "2 links end" in said

        assert member_client.post("/my/disconnect-all").location == PAGE

        said = words(member_client.get(PAGE))
        assert "ann@provider.example" in said
        assert "bob@provider.example" in said
        assert "No account is linked yet" in said
        assert member_client.get("/my/disconnect-all").location == PAGE

    def test_extra_fields_are_refused(self, member_client, linked, runtime):
        assert member_client.post(f"/my/links/{linked}/disconnect", data={"user_id": "x"}).status_code == 422
        assert row_of(runtime, linked).ended_at is None


class TestOthers:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", ""), ("POST", "/seen"), ("GET", "/disconnect"), ("POST", "/disconnect")],
    )
    def test_the_link_of_another_person_does_not_exist(self, app, linked, runtime, method, path):
        other = sign_in(app.test_client(), make_user(app, "owner"))

        assert other.open(f"/my/links/{linked}{path}", method=method).status_code == 404
        assert row_of(runtime, linked).ended_at is None

    @pytest.mark.usefixtures("linked")
    def test_nor_does_it_stand_on_their_page_or_in_their_file(self, app):
        other = sign_in(app.test_client(), make_user(app, "owner"))

        assert "ann@provider.example" not in other.get(PAGE).text
        assert other.get("/my/data.json").json["links"] == []


class TestOnesOwnData:
    def test_the_file(self, member_client, linked, runtime):
        use(runtime, linked, times=3)
        answer = member_client.get("/my/data.json")

        assert answer.headers["Content-Disposition"] == 'attachment; filename="linked-accounts.json"'
        (link,) = json.loads(answer.text)["links"]
        assert link["account_label"] == "ann@provider.example"
        assert link["usage"][0]["calls"] == 3
        assert "calendar" in link["scopes"]

    @pytest.mark.usefixtures("linked")
    def test_it_is_asked_again_who_it_is(self, member_client, runtime):
        with runtime.sessions() as session:
            session.execute(update(UserSession).values(stepped_up_at=None))
            session.commit()

        answer = member_client.get("/my/data.json")

        assert (answer.status_code, answer.location) == (303, "/confirm?next=/my/data.json")

    def test_the_history_of_one_link(self, member_client, linked, runtime):
        path = f"/my/links/{linked}"
        assert "Not used yet" in words(member_client.get(path))
        use(runtime, linked, times=3)
        use(runtime, linked, "")

        said = words(member_client.get(path))

        assert "calendar.sync" in said
        assert "unnamed feature" in said


def switch(runtime, service_id, *, on):
    """Switch a service on or off, as an operator does."""
    with runtime.sessions() as session:
        found = services.find(session, service_id)
        found.is_enabled = on
        session.commit()
