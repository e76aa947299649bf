"""What those who run Patchbay see of linked accounts: numbers and reasons, never a person and never a token."""

from __future__ import annotations

import pytest

from tests.links.conftest import (  # noqa: F401 - the fixtures of a real provider
    change,
    clock,
    journey,
    linked,
    row_of,
    service,
    tokens_of,
    user,
)
from tests.web.services import URL, add, words

LIST = "/settings/links"


@pytest.fixture
def tab(linked):
    return f"{URL}/{linked.service_id}/links"


def test_every_service_is_counted(viewer_client, linked, service, runtime):
    service()
    assert "Accounts 1" in words(viewer_client.get(LIST))
    change(runtime, linked.link_id, failures=1, failure="CONNECT_TIMEOUT", failed_at=runtime.clock.now())

    said = words(viewer_client.get(LIST))

    assert "Accounts 1 OpenID Connect 1 0 1 0 never" in said
    assert "Accounts 2 OpenID Connect 0 0 0 0 never" in said


def test_without_a_service_the_way_to_one(viewer_client, admin_client):
    assert "No service lets people link accounts" in words(viewer_client.get(LIST))
    assert "Browse the catalogue" in words(admin_client.get(LIST))


def test_it_stands_in_the_system_settings(viewer_client):
    assert f'href="{LIST}"' in viewer_client.get("/settings").text


def test_the_tab_names_why_renewals_fail(viewer_client, linked, tab, runtime):
    change(
        runtime,
        linked.link_id,
        state="needs_sign_in",
        failure="LINK_NEEDS_SIGN_IN",
        failed_at=runtime.clock.now(),
    )
    page = viewer_client.get(tab)

    assert "The person has to sign in at the provider again" in words(page)
    assert "/help/errors/LINK_NEEDS_SIGN_IN" in page.text
    assert "Ask everybody" not in words(page)


def test_neither_people_nor_tokens_are_shown(admin_client, linked, tab, runtime):
    tokens = tokens_of(runtime, linked.link_id)
    text = admin_client.get(tab).text + admin_client.get(LIST).text

    known = ("ann@", "lin@example.com", tokens.access, tokens.refresh)
    assert [one for one in known if one in text] == []


def test_everybody_is_asked_to_sign_in_again(admin_client, linked, tab, runtime):
    answer = admin_client.post(f"{tab}/ask-again")

    assert (answer.status_code, answer.location) == (303, tab)
    assert row_of(runtime, linked.link_id).asked_again_at is not None
    assert row_of(runtime, linked.link_id).state == "active"
    assert "1 person is asked to sign in again" in words(admin_client.get(tab))


def test_who_may_not_change_services_may_not_ask(operator_client, tab):
    assert operator_client.post(f"{tab}/ask-again").status_code == 403


def test_other_services_have_no_such_tab(admin_client, runtime):
    service_id = add(runtime)

    assert admin_client.get(f"{URL}/{service_id}/links").status_code == 404
    assert f"{URL}/{service_id}/links" not in admin_client.get(f"{URL}/{service_id}").text


def test_the_redirect_address_stands_where_it_is_needed(admin_client, linked, tab):
    address = f"http://localhost/my/accounts/{linked.service_id}/back"

    for path in (tab, f"{URL}/{linked.service_id}/edit", f"{URL}/{linked.service_id}"):
        assert f'data-copy="{address}"' in admin_client.get(path).text, path
    assert "as soon as the service is saved" in words(admin_client.get(f"{URL}/new/OAUTH_PROVIDER_GITHUB"))
