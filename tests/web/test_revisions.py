"""The History tab: who, when, why, what; compare any two; go back after seeing what that changes."""

from __future__ import annotations

import pytest

from tests.web import services as made
from tests.web.services import URL, form, stored, words
from webapp.registry import services

NEW_SECRET = "SG.another-secret-that-stays-hidden-4kTp"


@pytest.fixture
def service_id(runtime):
    return made.add(runtime)


def update(runtime, service_id, note=None, **changes):
    with runtime.sessions() as session:
        service = services.find(session, service_id)
        services.update(session, runtime, service, changes, actor="wu@example.com", origin="api", note=note)
        session.commit()


def test_the_reason_in_the_form_stands_in_the_history(admin_client, runtime, service_id):
    data = form(revision=1, description="For invoices", without=["api_key"]) | {"note": "Asked by finance."}

    answer = admin_client.post(f"{URL}/{service_id}/edit", data=data)
    text = words(admin_client.get(f"{URL}/{service_id}/history"))

    assert answer.status_code == 303
    assert "Asked by finance." in text
    assert "Description" in text
    assert "admin@example.com in the pages" in text


def test_a_reason_that_is_too_long_is_refused(admin_client, runtime, service_id):
    data = form(revision=1, description="x", without=["api_key"]) | {"note": "x" * 501}

    answer = admin_client.post(f"{URL}/{service_id}/edit", data=data)

    assert answer.status_code == 422
    assert stored(runtime, service_id).revision == 1


def test_a_comparison_shows_old_and_new_and_no_secret(viewer_client, runtime, service_id):
    update(runtime, service_id, configurations={"from_email": "b@example.com", "api_key": NEW_SECRET})

    answer = viewer_client.get(f"{URL}/{service_id}/history/1..2")
    text = words(answer)

    assert answer.status_code == 200
    assert "a@example.com" in text
    assert "b@example.com" in text
    assert "Values of secrets are never shown." in text
    for secret in (made.SECRET, NEW_SECRET):
        assert secret not in answer.text


def test_equal_revisions_are_said_to_be_equal(viewer_client, service_id):
    assert "Unchanged" in words(viewer_client.get(f"{URL}/{service_id}/history/1..1"))


def test_the_two_chosen_revisions_are_compared(viewer_client, runtime, service_id):
    update(runtime, service_id, description="x")

    answer = viewer_client.get(f"{URL}/{service_id}/history/compare?a=1&b=2")

    assert answer.headers["Location"] == f"{URL}/{service_id}/history/1..2"
    assert viewer_client.get(f"{URL}/{service_id}/history/compare?a=x").status_code == 303


@pytest.mark.parametrize("rest", ["1..9", "x..1", "9999999999..1", "9/restore", "0/restore", "none/restore"])
def test_what_does_not_exist_is_not_found(admin_client, service_id, rest):
    assert admin_client.get(f"{URL}/{service_id}/history/{rest}").status_code == 404


def test_going_back_shows_first_what_changes(admin_client, runtime, service_id):
    update(runtime, service_id, description="For invoices")

    text = words(admin_client.get(f"{URL}/{service_id}/history/1/restore"))

    assert "Go back to revision 1?" in text
    assert "For invoices" in text
    assert "stays as it is" in text
    assert stored(runtime, service_id).revision == 2


def test_going_back_makes_a_revision_with_its_reason(admin_client, runtime, service_id):
    update(runtime, service_id, description="For invoices")

    answer = admin_client.post(
        f"{URL}/{service_id}/history/1/restore", data={"revision": "2", "note": "Wrong team."}
    )
    text = words(admin_client.get(f"{URL}/{service_id}/history"))

    assert answer.status_code == 303
    assert stored(runtime, service_id).description is None
    assert stored(runtime, service_id).revision == 3
    assert "Wrong team." in text
    assert "by going back" in text


def test_another_destination_asks_for_the_secret_and_shows_none(admin_client, runtime, service_id):
    update(runtime, service_id, configurations={"region": "eu", "api_key": NEW_SECRET})
    address = f"{URL}/{service_id}/history/1/restore"

    asked = admin_client.get(address)
    refused = admin_client.post(address, data={"revision": "2"})
    done = admin_client.post(address, data={"revision": "2", "config-api_key": made.SECRET})

    assert 'name="config-api_key"' in asked.text
    assert refused.status_code == 422
    assert "enter this secret again" in words(refused)
    assert stored(runtime, service_id).configurations["region"] == "global"
    assert done.status_code == 303
    for answer in (asked, refused):
        assert made.SECRET not in answer.text
        assert NEW_SECRET not in answer.text


def test_a_form_from_before_somebody_elses_save_is_refused(admin_client, runtime, service_id):
    update(runtime, service_id, description="one")
    update(runtime, service_id, description="two")

    answer = admin_client.post(f"{URL}/{service_id}/history/1/restore", data={"revision": "2"})

    assert answer.status_code == 422
    assert stored(runtime, service_id).revision == 3


def test_operators_compare_and_only_administrators_go_back(operator_client, runtime, service_id):
    update(runtime, service_id, description="x")

    history = operator_client.get(f"{URL}/{service_id}/history")

    assert "/restore" not in history.text
    assert operator_client.get(f"{URL}/{service_id}/history/1..2").status_code == 200
    assert operator_client.get(f"{URL}/{service_id}/history/1/restore").status_code == 403
    assert operator_client.post(f"{URL}/{service_id}/history/1/restore").status_code == 403


def test_the_page_can_be_asked_for_again_and_changes_nothing(admin_client, runtime, service_id):
    text = words(admin_client.get(f"{URL}/{service_id}/history/1/restore"))

    assert "What is stored now is the same." in text
