from __future__ import annotations

import unicodedata

import pytest
from argon2 import PasswordHasher

from webapp.accounts import passwords
from webapp.accounts.passwords import Cost


@pytest.fixture(autouse=True)
def cheap(app):
    app.config["PASSWORD_COST"] = Cost(memory=8, passes=1, lanes=1)
    with app.app_context():
        yield


@pytest.mark.parametrize(
    "password",
    [
        "lantern quarry velvet moss",
        "correct horse battery staple",
        "xk4-Tq9w-0pLz",
        "849302758193",
        "不忘初心方得始终砥砺前行",
        "patchbay stands by the harbour wall",
        "m" * 3 + "any different letters here" + "z" * 90,
    ],
)
def test_long_and_unguessable_is_enough(password):
    assert passwords.weakness(password) is None


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "P@ssw0rd2024!",
        "Patchbay2024!!",
        "qwertyuiop[]12",
        "123456789012",
        "210987654321",
        "aaaaaaaaaaaa",
        "abababababab",
        "iloveyou12345678",
        "Summer!Winter2024",
        "correcthorsebatterystaple",
        "admin-admin-admin",
    ],
)
def test_what_everybody_tries_first_is_refused(password):
    assert "easy to guess" in str(passwords.weakness(password))


@pytest.mark.parametrize("password", ["meiling-lin-1990", "lin.meiling2024", "harbourworks123"])
def test_the_words_at_hand_count_as_guesses(password):
    assert passwords.weakness(password, ["lin.meiling@harbourworks.example", "Meiling Lin"])
    assert passwords.weakness(password) is None


@pytest.mark.parametrize(("length", "fine"), [(11, False), (12, True), (128, True), (129, False)])
def test_length_is_counted_in_characters(length, fine):
    password = ("好zebra穿qu过iet桥oak" * 12)[:length]

    assert (passwords.weakness(password) is None) == fine


def test_a_password_can_be_typed_on_any_keyboard():
    typed = "crème brûlée à la façon"
    stored = passwords.hash_password(unicodedata.normalize("NFC", typed))

    assert passwords.matches(stored, unicodedata.normalize("NFD", typed))
    assert not passwords.matches(stored, "creme brulee a la facon")


def test_nothing_matches_when_there_is_no_password_to_compare():
    assert not passwords.matches(None, "lantern quarry velvet moss")
    assert not passwords.matches("not a hash", "lantern quarry velvet moss")


def test_a_huge_password_is_not_even_hashed():
    stored = passwords.hash_password("")

    assert not passwords.matches(stored, "x" * 1_000_000)


def test_a_hash_of_other_costs_is_outdated():
    assert passwords.is_outdated(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("x"))
    assert not passwords.is_outdated(passwords.hash_password("x"))


def test_costs_outside_of_tests_are_the_recommended_ones():
    assert Cost() == Cost(memory=65536, passes=3, lanes=4)
