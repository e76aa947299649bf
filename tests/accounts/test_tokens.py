from __future__ import annotations

import pytest

from webapp.accounts import tokens
from webapp.accounts.tokens import SCOPES, TokenInvalid, TokenRefused
from webapp.models.token import ApiToken

DAY = 24 * 3600


@pytest.fixture
def issue(runtime):
    def make(scopes=("services:read",), **options):
        with runtime.sessions() as session:
            token, text = tokens.issue(
                session, runtime, name="robot", scopes=scopes, created_by="lin@example.com", **options
            )
            session.commit()
        return token, text

    return make


def refusal(runtime, header, scope="services:read"):
    with pytest.raises(TokenRefused) as refused:
        tokens.verify(runtime, header, scope)
    return refused.value


def test_a_token_opens_what_its_scopes_say(runtime, issue):
    token, text = issue(["services:read", "logs:read"])

    caller = tokens.verify(runtime, f"Bearer {text}", "logs:read")

    assert caller.token_id == token.token_id
    assert caller.actor == "token:robot"
    assert caller.may("services:read")
    assert not caller.may("services:write")


def test_all_means_every_scope_of_today(runtime, issue):
    token, text = issue(["all"])

    assert token.scopes == list(SCOPES)
    assert tokens.verify(runtime, f"bearer {text}", "calls:write")


def test_the_wrong_scope_is_forbidden_and_named(runtime, issue):
    _, text = issue()

    refused = refusal(runtime, f"Bearer {text}", "services:write")

    assert refused.code == "FORBIDDEN"
    assert "services:write" in str(refused.message)


def test_text_and_shape(issue):
    token, text = issue()

    assert tokens.TOKEN_PATTERN.fullmatch(text)
    assert text.startswith(f"pb_{token.token_id}_")
    assert text not in (token.hash, token.name)


def test_only_a_hash_is_stored(runtime, issue):
    _, text = issue()

    with runtime.sessions() as session:
        row = session.query(ApiToken).one()
        stored = " ".join(str(getattr(row, column.key)) for column in ApiToken.__table__.columns)
    assert text not in stored
    assert text[12:55] not in stored


SPOILED = {
    "no header": lambda _: None,
    "an empty header": lambda _: "",
    "no scheme": lambda text: text,
    "another scheme": lambda text: f"Basic {text}",
    "no token": lambda _: "Bearer ",
    "the beginning only": lambda text: f"Bearer {text[:20]}",
    "one character more": lambda text: f"Bearer {text}x",
    "another checksum": lambda text: f"Bearer {text[:-1]}{'0' if text[-1] != '0' else '1'}",
    "a changed character": lambda text: f"Bearer {text[:20]}{'A' if text[20] != 'A' else 'B'}{text[21:]}",
    "two tokens": lambda text: f"Bearer {text} {text}",
    "other letters": lambda text: f"Bearer pb_密码{text}",
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_anything_else_is_nobody(runtime, issue, spoil):
    _, text = issue()

    assert refusal(runtime, spoil(text)).code == "UNAUTHENTICATED"


def test_a_token_of_the_right_shape_that_was_never_issued_is_nobody(runtime, issue):
    token, _ = issue()
    forged = tokens._with_checksum(f"pb_{token.token_id}_{'A' * 43}")

    assert refusal(runtime, f"Bearer {forged}").code == "UNAUTHENTICATED"


def test_it_expires(runtime, clock, issue):
    _, text = issue(expires_days=2)
    clock.advance(2 * DAY - 1)
    assert tokens.verify(runtime, f"Bearer {text}", "services:read")

    clock.advance(1)

    refused = refusal(runtime, f"Bearer {text}")
    assert refused.code == "UNAUTHENTICATED"
    assert "expired" in str(refused.message)


def test_it_can_be_revoked(runtime, issue):
    token, text = issue()
    with runtime.sessions() as session:
        tokens.revoke(session, runtime, session.get_one(ApiToken, token.token_id), actor="lin@example.com")
        session.commit()

    assert refusal(runtime, f"Bearer {text}").code == "UNAUTHENTICATED"


def test_the_last_use_is_kept_to_the_minute(runtime, clock, issue):
    token, text = issue()

    def last_use():
        with runtime.sessions() as session:
            return session.get_one(ApiToken, token.token_id).last_used_at

    assert last_use() is None
    tokens.verify(runtime, f"Bearer {text}", "services:read")
    first = last_use()
    clock.advance(30)
    tokens.verify(runtime, f"Bearer {text}", "services:read")
    assert last_use() == first

    clock.advance(30)
    tokens.verify(runtime, f"Bearer {text}", "services:read")
    assert last_use() == clock.now()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["services:everything"]}, "scopes"),
        ({"scopes": ["all", "secret.reveal"]}, "scopes"),
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\r\nb"}, "name"),
        ({"expires_days": 0}, "expires_days"),
        ({"expires_days": 366}, "expires_days"),
    ],
)
def test_what_cannot_be_issued(runtime, options, field):
    given = {"name": "robot", "scopes": ["services:read"], "created_by": "lin@example.com"} | options

    with runtime.sessions() as session:
        with pytest.raises(TokenInvalid) as invalid:
            tokens.issue(session, runtime, **given)
        assert session.query(ApiToken).count() == 0

    assert invalid.value.field == field
