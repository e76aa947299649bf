"""The table of roles and verbs, written out once more by hand."""

from __future__ import annotations

import pytest

from webapp.accounts.roles import Role, Verb, allowed, grantable, lowest_role

TABLE = {
    "service.read": "viewer operator admin owner",
    "log.read": "viewer operator admin owner",
    "service.test": "operator admin owner",
    "service.switch": "operator admin owner",
    "log.read_payload": "operator admin owner",
    "log.export": "operator admin owner",
    "call.write": "operator admin owner",
    "system.read": "operator admin owner",
    "service.write": "admin owner",
    "secret.write": "admin owner",
    "route.write": "admin owner",
    "user.manage": "admin owner",
    "token.manage": "admin owner",
    "audit.read": "admin owner",
    "key.manage": "admin owner",
}


def test_the_table_names_every_verb():
    assert set(TABLE) == set(Verb)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("verb", Verb)
def test_a_role_may_do_exactly_what_the_table_says(role, verb):
    assert allowed(role, verb) == (role in TABLE[verb].split())


@pytest.mark.parametrize("role", ["", "root", "Owner", "member "])
def test_a_word_that_is_no_role_may_do_nothing(role):
    assert not any(allowed(role, verb) for verb in Verb)


@pytest.mark.parametrize("verb", Verb)
def test_the_lowest_role_is_the_first_of_the_table(verb):
    assert lowest_role(verb) == TABLE[verb].split()[0]


def test_nobody_gives_away_more_than_they_have():
    assert grantable("admin") == (Role.MEMBER, Role.VIEWER, Role.OPERATOR, Role.ADMIN)
    assert Role.OWNER in grantable("owner")
    assert grantable("operator") == ()
