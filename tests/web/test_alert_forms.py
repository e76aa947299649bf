"""The forms of alert channels and rules while somebody else changes the same."""

from __future__ import annotations

import pytest

from tests.web.services import words
from webapp.monitor import channels, rules

CHANNEL = {"name": "Hook", "kind": "webhook", "locale": "en"}


@pytest.fixture
def stored(runtime):
    """The ids of a channel and of a rule that uses it."""
    with runtime.sessions() as session:
        url = {"name": "Hook", "kind": "webhook", "url": "http://127.0.0.1:9/x"}
        channel = channels.create(session, runtime, url, actor="test")
        rule = rules.create(
            session, runtime, {"name": "On call", "channels": [channel.channel_id]}, actor="test"
        )
        session.commit()
        return channel.channel_id, rule.rule_id


@pytest.fixture(params=["channel", "rule"])
def edited(request, stored):
    """The address of a form, and what it sends."""
    channel_id, rule_id = stored
    if request.param == "channel":
        return f"/settings/alerts/channels/{channel_id}", CHANNEL
    rule = {"name": "On call", "states": ["down"], "channel-1": channel_id, "is_enabled": "1"}
    return f"/settings/alerts/rules/{rule_id}", rule


def test_the_second_of_two_is_told_and_keeps_what_was_entered(owner_client, edited):
    page, form = edited
    assert 'name="revision" value="1"' in owner_client.get(page).get_data(as_text=True)
    first = owner_client.post(page, data={**form, "name": "Hers", "revision": "1"})
    late = owner_client.post(page, data={**form, "name": "His", "revision": "1"})
    text = late.get_data(as_text=True)

    assert (first.status_code, late.status_code) == (303, 409)
    assert "Somebody else changed this while you were editing" in text
    assert "Nothing was saved." in text
    assert ('value="His"' in text, 'name="revision" value="2"' in text) == (True, True)
    assert 'value="Hers"' in owner_client.get(page).get_data(as_text=True)
    assert owner_client.post(page, data={**form, "name": "His", "revision": "2"}).status_code == 303


def test_what_was_changed_meanwhile_is_not_deleted(owner_client, edited):
    page, form = edited
    owner_client.post(page, data={**form, "name": "Hers", "revision": "1"})
    answer = owner_client.post(f"{page}/delete?revision=1", follow_redirects=True)

    assert "This was changed in the meantime" in words(answer)
    assert f"{page}/delete?revision=2" in answer.get_data(as_text=True)
    assert owner_client.get(page).status_code == 200


def test_what_was_deleted_meanwhile_is_not_there(owner_client, stored):
    _, rule_id = stored
    page = f"/settings/alerts/rules/{rule_id}"
    assert owner_client.post(f"{page}/delete?revision=1").status_code == 303
    assert owner_client.post(page, data={"name": "His", "revision": "1"}).status_code == 404
