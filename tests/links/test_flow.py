"""Linking an account at a certified provider, and every way in which that must not work."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from adapters.kit import oidc
from tests.links.conftest import Journey, address_of, row_of, tokens_of
from tests.peers.oidc_provider import Person
from webapp import links
from webapp.links import LinkRefused
from webapp.models.audit import AuditEntry
from webapp.models.link import Link, LinkAttempt


def count(runtime, model):
    with runtime.sessions() as session:
        return session.scalar(select(func.count()).select_from(model))


def refused(journey, answer, **how):
    """What the person is told; afterwards nothing is linked that was not before."""
    before = count(journey.runtime, Link)
    with pytest.raises(LinkRefused) as caught:
        journey.back(answer, **how)
    assert count(journey.runtime, Link) == before
    return caught.value


def test_an_account_is_linked(journey, runtime, oidc_provider):
    linked = journey.whole("ann")

    link = row_of(runtime, linked.link_id)
    assert (linked.outcome, linked.account_label, linked.target) == ("linked", "ann@provider.example", "/my")
    assert (link.account_id, link.state, link.can_refresh, linked.missing) == ("ann", "active", True, ())
    assert set(link.scopes) == {"openid", "email", "offline_access", "calendar"}
    assert 3500 < (link.expires_at - runtime.clock.now()).total_seconds() <= 3600
    assert oidc_provider.is_live(tokens_of(runtime, linked.link_id).access)
    with runtime.sessions() as session:
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.seq)))
    assert actions[-1] == "link.linked"


def test_what_goes_to_the_provider_is_bound_to_this_journey(journey):
    first, second = (parse_qs(urlsplit(journey.there()).query) for _ in range(2))

    assert first["response_type"] == ["code"]
    assert first["code_challenge_method"] == ["S256"]
    assert first["redirect_uri"] == [address_of(journey.service_id)]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]


def test_nothing_that_is_stored_meanwhile_is_a_secret(journey, runtime):
    sent = {name: values[0] for name, values in parse_qs(urlsplit(journey.there()).query).items()}
    with runtime.sessions() as session:
        row = session.scalar(select(LinkAttempt))
        stored = str([getattr(row, column.name) for column in LinkAttempt.__table__.c])

    assert [name for name in ("state", "nonce", "code_challenge") if sent[name] in stored] == []
    assert journey.browser not in stored


def test_consent_may_be_denied(journey):
    assert refused(journey, Person("ann").deny(journey.there())).code == "denied"


def test_a_state_is_needed(journey):
    answer = Person("ann").allow(journey.there())

    assert (
        refused(journey, {name: value for name, value in answer.items() if name != "state"}).code == "state"
    )
    assert refused(journey, answer | {"state": "made up"}).code == "state"
    assert journey.back(answer).outcome == "linked"


def test_the_state_of_another_browser_is_refused_and_stays_good(journey):
    answer = Person("ann").allow(journey.there())

    assert refused(journey, answer, browser="of an attacker").code == "state"
    assert journey.back(answer).outcome == "linked"


def test_the_state_of_another_person_is_refused(journey, user, runtime):
    answer = Person("ann").allow(journey.there())

    assert refused(Journey(runtime, user("kim"), journey.service_id), answer).code == "state"


def test_the_answer_of_one_provider_at_the_address_of_another_is_refused(journey, service, runtime):
    answer = Person("ann").allow(journey.there())

    assert refused(Journey(runtime, journey.user_id, service()), answer).code == "state"


def test_coming_back_works_once(journey, oidc_provider):
    answer = Person("ann").allow(journey.there())
    link_id = journey.back(answer).link_id

    assert refused(journey, answer).code == "state"
    assert oidc_provider.asked("POST /token") == 1
    assert oidc_provider.is_live(tokens_of(journey.runtime, link_id).access)


def test_two_tabs_do_not_disturb_each_other(journey):
    ann = Person("ann")
    first, second = journey.there(), journey.there()

    assert journey.back(ann.allow(second)).outcome == "linked"
    assert journey.back(ann.allow(first)).outcome == "renewed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": "http://127.0.0.1:1"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"code": None}, "provider_answer"),
        ({"code": "made-up"}, "code"),
        ({"error": "temporarily_unavailable"}, "provider_away"),
        ({"error": "server_error"}, "provider_away"),
        ({"error": "invalid_request"}, "provider_answer"),
        ({"error": "<script>alert(1)</script>"}, "provider_answer"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(journey, change, code):
    answer = Person("ann").allow(journey.there()) | change
    told = refused(journey, {name: value for name, value in answer.items() if value is not None})

    assert told.code == code
    assert told.target == "/my"
    assert "script" not in str(told.message)


def test_it_may_not_take_too_long(journey, clock):
    answer = Person("ann").allow(journey.there())
    clock.advance(601)

    assert refused(journey, answer).code == "late"


def test_a_code_that_was_used_elsewhere_is_refused(journey, oidc_provider):
    answer = Person("ann").allow(journey.there())
    other = Person("ann").allow(journey.there())
    journey.back(answer)

    assert refused(journey, other | {"code": answer["code"]}).code == "code"


def test_a_person_may_grant_less(journey, runtime):
    linked = journey.back(Person("ann").allow(journey.there(), without=("calendar",)))

    assert linked.missing == ("calendar",)
    with runtime.sessions() as session:
        (view,) = links.links_of(session, runtime, journey.user_id)
    assert [permission.scope for permission in view.missing] == ["calendar"]


def test_an_account_belongs_to_one_person(journey, user, runtime, oidc_provider):
    link_id = journey.whole("ann").link_id
    other = Journey(runtime, user("kim"), journey.service_id)

    assert refused(other, Person("ann").allow(other.there())).code == "account_taken"
    assert oidc_provider.is_live(tokens_of(runtime, link_id).access)
    assert other.whole("kim").outcome == "linked"


def test_signing_in_again_renews_the_link(linked, runtime):
    with runtime.sessions() as session:
        links.request_reauthorisation(session, runtime, linked.service_id, actor="test")
        session.commit()
    assert row_of(runtime, linked.link_id).asked_again_at is not None

    again = linked.whole("ann")

    link = row_of(runtime, linked.link_id)
    assert (again.outcome, again.link_id) == ("renewed", linked.link_id)
    assert (link.generation, link.asked_again_at) == (2, None)


def test_another_account_is_not_taken_unasked(linked, runtime, oidc_provider):
    told = refused(linked, Person("bob").allow(linked.there()))

    assert (told.code, told.linked, told.offered) == (
        "other_account", "ann@provider.example", "bob@provider.example",
    )  # fmt: skip
    assert row_of(runtime, linked.link_id).account_id == "ann"
    assert oidc_provider.asked("POST /token/revocation") == 1


def test_another_account_is_taken_when_its_owner_agrees(linked, runtime, oidc_provider):
    old = tokens_of(runtime, linked.link_id)
    told = refused(linked, Person("bob").allow(linked.there()))
    changed = linked.whole("bob", choice=told.choice)

    assert changed.outcome == "changed"
    assert row_of(runtime, linked.link_id).state == "ended"
    assert tokens_of(runtime, linked.link_id) is None
    assert not oidc_provider.is_live(old.access)
    assert refused(linked, Person("cy").allow(linked.there(choice=told.choice))).code == "other_account"


def test_an_account_can_be_linked_again_after_its_end(linked, runtime):
    links.disconnect(runtime, linked.link_id, actor="test")
    again = linked.whole("ann")

    assert again.outcome == "linked"
    assert again.link_id != linked.link_id


STEPS = {"description": "/.well-known/openid-configuration", "token": "/token", "keys": "/jwks"}


@pytest.mark.parametrize("kind", ["500", "503", "hangup", "garbage", "404"])
@pytest.mark.parametrize("step", ["description", "token", "keys"])
def test_a_provider_may_be_down_at_every_step(journey, oidc_provider, step, kind):
    oidc.forget()
    address = None if step == "description" else journey.there()
    oidc_provider.disturb(STEPS[step], kind, times=9)
    with pytest.raises(LinkRefused) as caught:
        journey.back(Person("ann").allow(address or journey.there()))

    assert caught.value.code in {"provider_away", "provider_answer"}
    assert count(journey.runtime, Link) == 0
    oidc_provider.recover()
    assert journey.whole().outcome == "linked"


def test_a_silent_provider_does_not_hold_anybody_up(runtime, user, service, oidc_provider):
    service_id = service()
    journey = Journey(runtime, user(), service_id)
    answer = Person("ann").allow(journey.there())
    with runtime.sessions() as session:
        from webapp.models.service import Service

        session.get_one(Service, service_id).default_timeout_ms = 300
        session.commit()
    oidc_provider.disturb("/token", "silence")

    assert refused(journey, answer).code == "provider_away"


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@pytest.mark.parametrize(
    "bend",
    [
        lambda claims: f"{part({'alg': 'none'})}.{part(claims)}.",
        lambda claims: f"{part({'alg': 'HS256'})}.{part(claims)}.{part('x')}",
        lambda claims: f"{part({'alg': 'RS256', 'kid': 'unknown'})}.{part(claims)}.AAAA",
        lambda _claims: "no token at all",
        lambda _claims: None,
        lambda _claims: 7,
    ],
    ids=["alg none", "a shared secret", "unknown key", "garbage", "missing", "a number"],
)
def test_a_forged_proof_of_identity_is_refused(journey, oidc_provider, bend, runtime):
    journey.there()
    now = int(runtime.clock.now().timestamp())
    claims = {"iss": oidc_provider.issuer, "aud": "patch bay", "sub": "ann", "iat": now, "exp": now + 60}
    answer = Person("ann").allow(journey.there())
    body = {"access_token": "canary-token", "token_type": "Bearer", "id_token": bend(claims)}
    oidc_provider.disturb("/token", "200", body=body)

    assert refused(journey, answer).code == "proof"


def test_a_disabled_service_is_not_offered(journey, runtime):
    with runtime.sessions() as session:
        from webapp.models.service import Service

        session.get_one(Service, journey.service_id).is_enabled = False
        session.commit()
        assert links.available(session, runtime, journey.user_id) == []
    with pytest.raises(LinkRefused) as caught:
        journey.there()
    assert caught.value.code == "not_offered"


def test_starts_that_nobody_finished_are_forgotten(journey, clock, runtime):
    for _ in range(3):
        journey.there()
    clock.advance(timedelta(minutes=11).total_seconds())
    journey.there()

    assert count(runtime, LinkAttempt) == 1
