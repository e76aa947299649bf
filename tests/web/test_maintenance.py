"""Changing maintenance windows on the page, also while somebody else does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.web.services import add, words
from webapp.models.maintenance import MaintenanceWindow
from webapp.monitor import windows

LIST = "/health/maintenance"


@pytest.fixture
def plan(runtime, clock):
    """Plans a window over one service, an hour from now."""

    def make(title="Move", **values):
        start = clock.now() + timedelta(hours=1)
        service_id = add(runtime, f"Service of {title}", is_enabled=True)
        given = {
            "title": title,
            "services": [service_id],
            "starts_at": start,
            "ends_at": start + timedelta(hours=1),
        }
        with runtime.sessions() as session:
            made = windows.create(session, runtime, given | values, actor="test")
            session.commit()
            return made.window_id

    return make


def stored(runtime, window_id):
    with runtime.sessions() as session:
        return session.get(MaintenanceWindow, window_id)


def form_of(window, **changes):
    return {
        "title": window.title, "services": window.services, "repeats": window.repeats or "", "time_zone": "UTC",
        "starts_at": f"{window.starts_at:%Y-%m-%dT%H:%M}", "ends_at": f"{window.ends_at:%Y-%m-%dT%H:%M}",
        "revision": str(window.revision), "repeat_until": "", **changes,
    }  # fmt: skip


def test_a_window_is_changed(operator_client, plan, runtime):
    page = f"{LIST}/{plan()}"
    assert f'href="{page}"' in operator_client.get(LIST).get_data(as_text=True)
    text = operator_client.get(page).get_data(as_text=True)
    assert 'value="2026-01-02T04:04"' in text
    before = stored(runtime, page.rpartition("/")[2])
    longer = form_of(before, title="Longer", ends_at="2026-01-02T07:30")
    assert operator_client.post(page, data=longer).status_code == 303

    after = stored(runtime, before.window_id)
    assert (after.title, f"{after.ends_at:%H:%M}", after.revision) == ("Longer", "07:30", 2)
    assert after.starts_at == before.starts_at  # to the second, though the form shows minutes


def test_what_is_wrong_is_told_and_what_was_entered_stays(operator_client, plan, runtime):
    page = f"{LIST}/{plan()}"
    window = stored(runtime, page.rpartition("/")[2])
    refused = operator_client.post(page, data=form_of(window, title="Kept", ends_at="2026-01-01T00:00"))

    assert refused.status_code == 422
    assert "It cannot end before it begins." in words(refused)
    assert 'value="Kept"' in refused.get_data(as_text=True)
    assert stored(runtime, window.window_id).title == "Move"


def test_two_people_at_once_lose_nothing(operator_client, owner_client, plan, runtime):
    page = f"{LIST}/{plan()}"
    window = stored(runtime, page.rpartition("/")[2])
    assert owner_client.post(page, data=form_of(window, title="Hers")).status_code == 303
    late = operator_client.post(page, data=form_of(window, title="His"))
    text = late.get_data(as_text=True)

    assert late.status_code == 409
    assert "Somebody else changed this while you were editing" in text
    assert ('value="His"' in text, 'name="revision" value="2"' in text) == (True, True)
    assert stored(runtime, window.window_id).title == "Hers"
    assert operator_client.post(page, data=form_of(window, title="His", revision="2")).status_code == 303
    assert stored(runtime, window.window_id).title == "His"


@pytest.mark.parametrize("way", ["skip", "end"])
def test_a_button_pressed_on_an_old_page_does_nothing(operator_client, plan, runtime, way):
    window_id = plan(repeats="daily")
    answer = operator_client.post(f"{LIST}/{window_id}/{way}?revision=7", follow_redirects=True)

    assert "This was changed in the meantime" in words(answer)
    assert stored(runtime, window_id).revision == 1


def test_one_that_repeats_is_shown_by_its_own_clock(operator_client, plan, runtime):
    window_id = plan(repeats="weekly", time_zone="Asia/Shanghai")
    text = operator_client.get(f"{LIST}/{window_id}").get_data(as_text=True)

    assert 'value="2026-01-02T12:04"' in text
    assert 'name="time_zone" value="Asia/Shanghai"' in text
    form = form_of(stored(runtime, window_id), starts_at="2026-01-02T13:00", ends_at="2026-01-02T14:00")
    assert (
        operator_client.post(f"{LIST}/{window_id}", data=form | {"time_zone": "Asia/Shanghai"}).status_code
        == 303
    )
    after = stored(runtime, window_id)
    assert (f"{after.starts_at:%H:%M}", after.time_zone) == ("05:00", "Asia/Shanghai")


def test_what_is_over_or_not_there_cannot_be_changed(operator_client, viewer_client, plan, runtime, clock):
    window_id = plan()
    assert viewer_client.get(f"{LIST}/{window_id}").status_code == 403
    assert operator_client.get(f"{LIST}/none").status_code == 404
    with runtime.sessions() as session:
        window = session.get(MaintenanceWindow, window_id)
        window.starts_at = clock.now() - timedelta(hours=2)
        window.ends_at = window.over_at = clock.now() - timedelta(hours=1)
        session.commit()

    assert "It is over already" in words(operator_client.get(f"{LIST}/{window_id}"))
    form = form_of(stored(runtime, window_id), starts_at="2026-01-05T00:00", ends_at="2026-01-05T01:00")
    assert operator_client.post(f"{LIST}/{window_id}", data=form).status_code == 422
