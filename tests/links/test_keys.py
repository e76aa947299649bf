"""The tokens of links are sealed, and every rotation of keys reaches them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.links.conftest import Journey, row_of, tokens_of
from webapp.links import LinkUnusable
from webapp.models.link import LinkTokens
from webapp.models.secret import DataKey
from webapp.vault import holders, rotation


def sealed(runtime):
    with runtime.sessions() as session:
        return session.scalar(select(LinkTokens))


def test_they_lie_in_the_scope_of_their_service_and_in_clear_nowhere(linked, runtime, tmp_path):
    row, tokens = sealed(runtime), tokens_of(runtime, linked.link_id)
    with runtime.sessions() as session:
        assert session.get_one(DataKey, row.dek_id).scope == f"links:{linked.service_id}"

    assert holders.LINK_TOKENS in holders.holders()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [token for token in (tokens.access, tokens.refresh) if token.encode() in kept] == []


def test_a_rotation_seals_them_anew_and_they_still_work(linked, runtime, clock, oidc_provider):
    before, tokens = sealed(runtime), tokens_of(runtime, linked.link_id)
    clock.advance(10)
    moved = [*rotation.rotate(runtime, before=clock.now()), *rotation.reencrypt(runtime)]
    after = sealed(runtime)

    assert sum(batch.failed for batch in moved) == 0
    assert (after.dek_id != before.dek_id, after.ct != before.ct, after.rev) == (True, True, before.rev + 1)
    assert tokens_of(runtime, linked.link_id) == tokens
    found = runtime.links.token(linked.user_id, linked.service_id)
    assert oidc_provider.is_live(found.access_token.get_secret_value())


def test_tokens_moved_to_another_link_do_not_open(linked, runtime, user):
    other = Journey(runtime, user("kim"), linked.service_id)
    other_id = other.whole("kim").link_id
    with runtime.sessions() as session:
        mine, theirs = (session.get_one(LinkTokens, link_id) for link_id in (linked.link_id, other_id))
        theirs.ct = mine.ct
        session.commit()
    with pytest.raises(LinkUnusable) as refused:
        runtime.links.token(other.user_id, other.service_id)
    assert refused.value.code == "LINK_UNAVAILABLE"
    assert row_of(runtime, other_id).state == "active"
