"""Enable, disable, delete, bring back, duplicate: each says what it did and how to take it back."""

from __future__ import annotations

import pytest

from tests.web.services import SENDGRID, URL, add, stored, words
from webapp.models import Route, Service
from webapp.registry import services


def follow(client, answer):
    """The page one is sent to."""
    assert answer.status_code == 303, answer.status_code
    return client.get(answer.headers["Location"])


def test_an_untested_service_is_enabled_with_a_warning_and_an_undo(admin_client, runtime):
    service_id = add(runtime)
    page = follow(admin_client, admin_client.post(f"{URL}/{service_id}/enable"))

    assert stored(runtime, service_id).is_enabled
    assert "Mail is enabled, although its settings were not tested with success." in words(page)
    assert f'action="{URL}/{service_id}/disable"' in page.text


def test_disabling_can_be_undone(admin_client, runtime):
    service_id = add(runtime, is_enabled=True)
    page = follow(admin_client, admin_client.post(f"{URL}/{service_id}/disable"))

    assert not stored(runtime, service_id).is_enabled
    assert "Mail is disabled. No call uses it any more." in words(page)
    assert f'action="{URL}/{service_id}/enable"' in page.text


def test_deleting_asks_first_and_says_what_depends_on_it(admin_client, runtime):
    service_id = add(runtime)
    with runtime.sessions() as session:
        session.add(Route(name="PRIMARY", contract="EMAIL_SERVICE", members=[service_id]))
        session.commit()
    page = words(admin_client.get(f"{URL}/{service_id}/delete"))

    assert "Delete Mail?" in page
    assert "Route PRIMARY has no other service: its calls will fail." in page
    assert stored(runtime, service_id)
    assert "Disable Mail?" in words(admin_client.get(f"{URL}/{service_id}/disable"))


def test_a_deleted_service_comes_back_as_it_was(admin_client, runtime):
    service_id = add(runtime, is_enabled=True)
    gone = follow(admin_client, admin_client.post(f"{URL}/{service_id}/delete"))

    assert "Mail was deleted." in words(gone)
    assert admin_client.get(f"{URL}/{service_id}").status_code == 404

    back = follow(admin_client, admin_client.post(f"{URL}/{service_id}/restore"))

    assert "Mail is back, as it was." in words(back)
    assert stored(runtime, service_id).is_enabled


def test_a_name_that_was_taken_meanwhile_stops_the_way_back(admin_client, runtime):
    service_id = add(runtime)
    admin_client.post(f"{URL}/{service_id}/delete")
    add(runtime)
    page = follow(admin_client, admin_client.post(f"{URL}/{service_id}/restore"))

    assert "There is already a service called Mail." in words(page)


def test_after_thirty_days_there_is_nothing_to_bring_back(admin_client, runtime, clock):
    service_id = add(runtime)
    admin_client.post(f"{URL}/{service_id}/delete")
    with runtime.sessions() as session:
        session.get(Service, service_id).deleted_at = clock.now().replace(year=2020)
        session.commit()

    assert admin_client.post(f"{URL}/{service_id}/restore").status_code == 404


def test_a_copy_has_a_free_name_and_no_secret(admin_client, runtime):
    service_id = add(runtime)
    page = follow(admin_client, admin_client.post(f"{URL}/{service_id}/duplicate"))
    admin_client.post(f"{URL}/{service_id}/duplicate")
    names = words(admin_client.get(URL))

    assert "Secrets are never copied" in words(page)
    assert "Configured" not in words(page)
    assert "Mail (copy 1)" in names
    assert "Mail (copy 2)" in names


def test_an_incomplete_service_is_not_enabled_and_its_form_opens(admin_client, runtime):
    service_id = add(runtime)
    copy = admin_client.post(f"{URL}/{service_id}/duplicate").headers["Location"].split("/")[3]
    answer = admin_client.post(f"{URL}/{copy}/enable")

    assert answer.headers["Location"] == f"{URL}/{copy}/edit"
    assert "API key" in words(admin_client.get(f"{URL}/{copy}/edit"))
    assert not stored(runtime, copy).is_enabled


def test_many_are_switched_together_and_each_refusal_is_told(admin_client, runtime):
    good = [add(runtime, "One"), add(runtime, "Two")]
    copy = admin_client.post(f"{URL}/{good[0]}/duplicate").headers["Location"].split("/")[3]
    answer = admin_client.post(
        f"{URL}/bulk?q=o", data={"action": "enable", "service_id": [*good, copy, "nobody"]}
    )
    page = words(follow(admin_client, answer))

    assert answer.headers["Location"] == f"{URL}?q=o"
    assert "Enabled: 2." in page
    assert "One (copy 1): Some values are not valid." in page
    assert [stored(runtime, one).is_enabled for one in (*good, copy)] == [True, True, False]

    admin_client.post(f"{URL}/bulk", data={"action": "disable", "service_id": good})
    assert not any(stored(runtime, one).is_enabled for one in good)


@pytest.mark.parametrize("data", [{}, {"action": "delete"}, {"action": "", "service_id": "x"}])
def test_an_unknown_deed_for_many_is_refused(admin_client, data):
    assert admin_client.post(f"{URL}/bulk", data=data).status_code == 400


def test_choosing_nothing_says_so(admin_client):
    assert "Choose services first." in words(
        follow(admin_client, admin_client.post(f"{URL}/bulk", data={"action": "enable"}))
    )


def test_switching_from_the_list_leads_back_to_its_filters(admin_client, runtime):
    service_id = add(runtime)
    answer = admin_client.post(f"{URL}/{service_id}/enable?state=disabled", data={"from": "list"})

    assert answer.headers["Location"] == f"{URL}?state=disabled"


def test_switching_twice_changes_nothing_more(admin_client, runtime):
    service_id = add(runtime)
    for _ in range(2):
        assert admin_client.post(f"{URL}/{service_id}/enable").status_code == 303

    assert stored(runtime, service_id).revision == 2


@pytest.mark.parametrize("deed", ["enable", "disable", "delete", "restore", "duplicate"])
def test_deeds_need_a_service_a_token_and_the_right(
    admin_client, viewer_client, operator_client, runtime, deed
):
    service_id = add(runtime)

    assert admin_client.post(f"{URL}/none/{deed}").status_code == 404
    assert viewer_client.post(f"{URL}/{service_id}/{deed}").status_code == 403
    allowed = deed in {"enable", "disable"}
    assert operator_client.post(f"{URL}/{service_id}/{deed}").status_code == (303 if allowed else 403)
    admin_client.environ_base.pop("HTTP_X_CSRFTOKEN")
    assert admin_client.post(f"{URL}/{service_id}/{deed}").status_code == 400


def test_links_never_switch(admin_client, runtime):
    service_id = add(runtime, is_enabled=True)
    for path in (f"{URL}/{service_id}/disable", f"{URL}/{service_id}/delete"):
        assert admin_client.get(path).status_code == 200

    assert admin_client.get(f"{URL}/{service_id}/enable").status_code == 405
    with runtime.sessions() as session:
        assert services.find(session, service_id).is_enabled
        assert services.find(session, service_id).service_type == SENDGRID
