"""The Secrets tab: enter the next value, test it, promote it, wipe the previous one; and say when one ends."""

from __future__ import annotations

import pytest

from tests.web import services as made
from tests.web.services import URL, stored, words
from webapp.registry import standby
from webapp.registry.assemble import open_config

NEXT = "SG.the-next-secret-that-stays-hidden-4kTp"


@pytest.fixture
def service_id(runtime):
    return made.add(runtime)


@pytest.fixture
def tab(service_id):
    return f"{URL}/{service_id}/secrets"


def in_use(runtime, service_id):
    with runtime.sessions() as session:
        return open_config(session, runtime, stored(runtime, service_id)).api_key.get_secret_value()


def test_the_next_value_is_entered_and_waits_unseen(admin_client, runtime, service_id, tab):
    answer = admin_client.post(f"{tab}/api_key/next", data={"value": NEXT, "expires_at": "2099-12-31"})
    shown = admin_client.get(tab)

    assert answer.status_code == 303
    assert "Waits" in words(shown)
    assert "2099-12-31" in words(shown)
    assert NEXT not in shown.text
    assert in_use(runtime, service_id) == made.SECRET


def test_promoting_puts_it_to_use_and_the_previous_one_can_be_wiped(admin_client, runtime, service_id, tab):
    admin_client.post(f"{tab}/api_key/next", data={"value": NEXT})
    answer = admin_client.post(f"{tab}/api_key/promote", data={"grace": "72", "note": "Yearly."})
    shown = words(admin_client.get(tab))

    assert answer.status_code == 303
    assert in_use(runtime, service_id) == NEXT
    assert "stands by until" in shown
    assert "Yearly." in words(admin_client.get(f"{URL}/{service_id}/history"))

    admin_client.post(f"{tab}/api_key/previous/wipe")
    with runtime.sessions() as session:
        assert standby.staged(session, service_id) == {}


def test_a_next_value_can_be_wiped(admin_client, runtime, service_id, tab):
    admin_client.post(f"{tab}/api_key/next", data={"value": NEXT})

    assert admin_client.post(f"{tab}/api_key/next/discard").status_code == 303
    assert admin_client.post(f"{tab}/api_key/next/discard").status_code == 404


@pytest.mark.parametrize("value", ["", "   ", "•••••", "a\nb"])
def test_what_is_no_secret_is_refused_with_words(admin_client, runtime, service_id, tab, value):
    answer = admin_client.post(f"{tab}/api_key/next", data={"value": value})

    assert answer.status_code == 422
    assert "There is a problem" in words(answer)
    with runtime.sessions() as session:
        assert standby.staged(session, service_id) == {}


@pytest.mark.parametrize(
    ("rest", "data", "status"),
    [
        ("api_key/next", {"value": NEXT, "is_enabled": "1"}, 422),
        ("api_key/next", {"value": NEXT, "expires_at": "soon"}, 422),
        ("from_email/next", {"value": NEXT}, 404),
        ("api_key/promote", {"grace": "5"}, 422),
        ("api_key/promote", {"grace": "24"}, 404),
        ("api_key/previous/wipe", {}, 404),
        ("api_key/next/test", {}, 404),
        ("api_key/expiry", {"expires_at": "31.12.2027"}, 422),
        ("api_key/expiry", {"expires_at": "2027-12-31", "dek_id": "x"}, 422),
    ],
)
def test_bad_input_changes_nothing(admin_client, runtime, service_id, tab, rest, data, status):
    answer = admin_client.post(f"{tab}/{rest}", data=data)

    assert answer.status_code == status
    assert NEXT not in answer.text
    assert stored(runtime, service_id).revision == 1
    with runtime.sessions() as session:
        assert standby.staged(session, service_id) == {}


def test_the_end_of_a_secret_is_typed_and_shown(admin_client, viewer_client, service_id, tab):
    admin_client.post(f"{tab}/api_key/expiry", data={"expires_at": "2099-12-31"})

    assert "2099-12-31" in words(admin_client.get(tab))
    listed = words(viewer_client.get("/settings/expirations"))
    assert "API key" in listed
    assert "Later" in listed

    admin_client.post(f"{tab}/api_key/expiry", data={"expires_at": ""})
    assert "No end is known" in words(viewer_client.get("/settings/expirations"))


def test_operators_look_and_test_but_change_nothing(operator_client, admin_client, service_id, tab):
    admin_client.post(f"{tab}/api_key/next", data={"value": NEXT})
    shown = operator_client.get(tab)

    assert shown.status_code == 200
    assert "/promote" not in shown.text
    for rest in ("next", "next/discard", "promote", "previous/wipe", "expiry"):
        assert operator_client.post(f"{tab}/api_key/{rest}").status_code == 403


def test_a_test_of_the_next_value_is_shown_in_place_and_as_a_page(admin_client, tab, runtime, service_id):
    admin_client.post(f"{tab}/api_key/next", data={"value": NEXT})
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"}

    part = admin_client.post(f"{tab}/api_key/next/test", headers=headers)
    whole = admin_client.post(f"{tab}/api_key/next/test")

    assert "<html" not in part.text
    assert "Name lookup" in words(part)
    assert "<html" in whole.text
    assert NEXT not in part.text + whole.text


def test_a_service_without_secrets_says_so(admin_client, runtime):
    plain = made.add(
        runtime,
        "Plain",
        service_type="HTTP_PROVIDER_GENERIC",
        configurations={"base_url": "https://example.com"},
    )

    shown = admin_client.get(f"{URL}/{plain}/secrets")

    assert shown.status_code == 200
