"""Calls on behalf of a person: with their token, noted against their link, and shown to nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.links.conftest import change, row_of, tokens_of
from tests.logfiles import ask
from webapp import links
from webapp.engine.problems import PatchbayError
from webapp.links import LinkUnusable
from webapp.log.tables import call_logs


def userinfo(journey, **how):
    how = {"on_behalf_of": journey.user_id, "prefer": [journey.service_id]} | how
    return journey.runtime.hub.call("oauth.userinfo", {}, **how)


def refused(journey, **how):
    with pytest.raises(PatchbayError) as caught:
        userinfo(journey, **how)
    return caught.value


def rows(runtime):
    runtime.recorder.flush()
    return ask(runtime.engine, select(call_logs).order_by(call_logs.c.log_id))


def test_business_code_reads_the_account_of_a_person(linked):
    assert userinfo(linked).result["account_id"] == "ann"
    assert userinfo(linked, on_behalf_of="LIN@example.com").result["account_id"] == "ann"


def test_business_code_gets_a_token(linked, runtime, oidc_provider):
    found = runtime.hub.token_for("lin@example.com", "OAUTH_PROVIDER_OIDC", point="calendar.sync")

    assert oidc_provider.is_live(found.access_token.get_secret_value())
    assert found.access_token.get_secret_value() not in repr(found)
    assert set(found.scopes) >= {"calendar"}
    runtime.links.usage.flush()
    assert row_of(runtime, linked.link_id).last_used_by == "calendar.sync"


def test_any_request_can_be_made_with_the_permissions_of_the_person(linked, runtime):
    answer = runtime.hub.call(
        "oauth.request", {"path": "/me"}, prefer=[linked.service_id], on_behalf_of=linked.user_id
    )

    assert answer.result["status"] == 200
    assert answer.result["json"]["sub"] == "ann"


def test_without_a_person_nothing_is_sent(linked, oidc_provider):
    oidc_provider.forget()

    assert refused(linked, on_behalf_of=None).code == "REQUEST_INVALID"
    assert oidc_provider.asked("GET /me") == 0


def test_a_person_without_a_link_is_told(linked, user, runtime):
    other = user("kim")
    error = refused(linked, on_behalf_of=other)

    assert error.candidates[0]["code"] == "LINK_MISSING"
    with pytest.raises(LinkUnusable):
        runtime.hub.token_for(other, linked.service_id)
    with pytest.raises(LinkUnusable):
        runtime.hub.token_for("nobody@example.com", linked.service_id)


def test_a_disabled_person_is_nobody(linked, runtime):
    from webapp.models.user import User

    with runtime.sessions() as session:
        session.get_one(User, linked.user_id).is_active = False
        session.commit()

    assert refused(linked).candidates[0]["code"] == "LINK_MISSING"


def test_what_used_a_link_is_counted(linked, runtime, clock):
    for _ in range(3):
        userinfo(linked, point="calendar.sync")
    clock.advance(86_400)
    change(runtime, linked.link_id, expires_at=clock.now() + timedelta(hours=1))
    userinfo(linked, point="profile.import")
    runtime.links.usage.flush()

    with runtime.sessions() as session:
        used = links.usage_of(session, linked.link_id)
        (view,) = links.links_of(session, runtime, linked.user_id)
    assert [(use.point, use.calls) for use in used] == [("profile.import", 1), ("calendar.sync", 3)]
    assert view.last_used_by == "profile.import"
    assert view.new_points == ("calendar.sync", "profile.import")
    with runtime.sessions() as session:
        links.acknowledge(session, runtime, linked.link_id, linked.user_id)
        session.commit()
        assert links.links_of(session, runtime, linked.user_id)[0].new_points == ()


def test_the_log_shows_the_call_and_no_token(linked, runtime, tmp_path):
    userinfo(linked, point="calendar.sync")
    found = [row for row in rows(runtime) if row["operation"] == "oauth.userinfo"]
    tokens = tokens_of(runtime, linked.link_id)

    assert [(row["integration_point"], row["is_success"], row["recipient_mask"]) for row in found] == [
        ("calendar.sync", True, found[0]["recipient_mask"])
    ]
    assert found[0]["recipient_mask"].endswith("@example.com")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [token for token in (tokens.access, tokens.refresh) if token.encode() in kept] == []


def test_a_refused_token_is_renewed_once_and_the_call_goes_through(linked, runtime, oidc_provider):
    oidc_provider.disturb("/me", "401", times=1, body={"error": "invalid_token"})

    answer = userinfo(linked)
    assert (answer.result["account_id"], answer.attempts) == ("ann", 2)
    assert row_of(runtime, linked.link_id).generation == 2


def test_a_token_that_stays_refused_ends_the_call(linked, oidc_provider, runtime):
    oidc_provider.disturb("/me", "401", times=9, body={"error": "invalid_token"})
    oidc_provider.forget()

    assert refused(linked).code == "VENDOR_AUTH_REJECTED"
    assert oidc_provider.asked("POST /token") == 1
    assert row_of(runtime, linked.link_id).state == "active"


def test_a_token_without_renewal_is_doubted_before_it_is_given_up(linked, oidc_provider, runtime, clock):
    change(runtime, linked.link_id, can_refresh=False, expires_at=None)
    oidc_provider.disturb("/me", "401", times=2, body={"error": "invalid_token"})
    refused(linked)
    refused(linked)
    assert row_of(runtime, linked.link_id).state == "active"
    oidc_provider.recover()
    userinfo(linked)
    assert row_of(runtime, linked.link_id).refusals == 0
    oidc_provider.disturb("/me", "401", times=9, body={"error": "invalid_token"})
    refused(linked)
    clock.advance(61)
    refused(linked)

    assert row_of(runtime, linked.link_id).state == "needs_sign_in"
    assert refused(linked).candidates[0]["code"] == "LINK_NEEDS_SIGN_IN"


def test_an_outage_of_the_provider_is_a_moment(linked, oidc_provider, runtime):
    change(runtime, linked.link_id, expires_at=runtime.clock.now())
    oidc_provider.disturb("/token", "503", times=9)
    error = refused(linked)

    assert error.candidates[0]["code"] == "LINK_UNAVAILABLE"
    assert error.retry_after_ms > 0


def test_the_same_key_for_another_person_is_another_call(linked, user):
    userinfo(linked, call_key="once")
    assert userinfo(linked, call_key="once").replayed
    assert refused(linked, call_key="once", on_behalf_of=user("kim")).code == "IDEMPOTENCY_KEY_REUSED"
