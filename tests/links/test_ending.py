"""The end of a link: gone here in any case, revoked at the provider where it can be."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.links.conftest import change, row_of, tokens_of
from webapp import links
from webapp.models.link import LinkTokens
from webapp.models.service import Service


def test_a_link_is_ended_here_and_there(linked, runtime, oidc_provider):
    tokens = tokens_of(runtime, linked.link_id)
    ended = links.disconnect(runtime, linked.link_id, actor="lin@example.com", user_id=linked.user_id)

    assert (ended.at_provider, ended.account_label) == ("revoked", "ann@provider.example")
    assert not oidc_provider.is_live(tokens.access)
    assert not oidc_provider.is_live(tokens.refresh)
    with runtime.sessions() as session:
        assert session.scalar(select(LinkTokens.id)) is None
        assert links.links_of(session, runtime, linked.user_id) == []
        assert [offer.service_id for offer in links.available(session, runtime, linked.user_id)] == [
            linked.service_id
        ]


def test_nobody_ends_the_link_of_another(linked, runtime, user):
    assert links.disconnect(runtime, linked.link_id, actor="kim", user_id=user("kim")) is None
    assert row_of(runtime, linked.link_id).state == "active"


@pytest.mark.parametrize(
    ("kind", "told"), [("400", "refused"), ("403", "refused"), ("503", "away"), ("hangup", "away")]
)
def test_a_provider_that_does_not_revoke_keeps_nobody_here(linked, runtime, oidc_provider, kind, told):
    oidc_provider.disturb("/token/revocation", kind, times=9, body={"error": "unsupported_token_type"})
    with runtime.sessions() as session:
        session.get_one(Service, linked.service_id).retry_policy = {"max_attempts": 1}
        session.commit()
    ended = links.disconnect(runtime, linked.link_id, actor="test")

    assert ended.at_provider == told
    assert tokens_of(runtime, linked.link_id) is None
    assert row_of(runtime, linked.link_id).ended_at is not None


def test_all_links_of_a_person_end(linked, runtime, service):
    second = type(linked)(runtime, linked.user_id, service())
    second.whole("bob")

    assert [one.at_provider for one in links.disconnect_all(runtime, linked.user_id, actor="test")] == [
        "revoked"
    ] * 2
    assert links.disconnect_all(runtime, linked.user_id, actor="test") == []


def test_ended_links_are_in_the_download_and_their_tokens_nowhere(linked, runtime):
    tokens = tokens_of(runtime, linked.link_id)
    links.disconnect(runtime, linked.link_id, actor="test")
    with runtime.sessions() as session:
        found = links.download(session, runtime, linked.user_id)

    assert [(link["account_id"], link["state"]) for link in found["links"]] == [("ann", "ended")]
    assert tokens.access not in str(found)


def test_a_link_unused_for_long_is_noticed(linked, runtime, clock):
    change(runtime, linked.link_id, linked_at=clock.now())
    clock.advance(91 * 86_400)
    with runtime.sessions() as session:
        assert links.links_of(session, runtime, linked.user_id)[0].unused
        links.acknowledge(session, runtime, linked.link_id, linked.user_id)
        session.commit()
        assert not links.links_of(session, runtime, linked.user_id)[0].unused
