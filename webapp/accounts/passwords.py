"""Passwords: what we accept, and how they are kept (argon2id)."""

from __future__ import annotations

import os
import secrets
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from flask import current_app

from adapters.kit import Message, N_
from webapp.accounts.guessable import is_guessable

MIN_LENGTH = 12
MAX_LENGTH = 128

# One hash takes 64 MiB: twenty people signing in at once must queue for it, not share out all memory.
_TURNS = threading.BoundedSemaphore(os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Cost:
    """How much work one hash is; memory in KiB."""

    memory: int = 64 * 1024
    passes: int = 3
    lanes: int = 4


def weakness(password: str, context: Iterable[str] = ()) -> Message | None:
    """Say why a new password is refused, or None when it is fine.

    There are no rules about kinds of characters: length and not being guessable are what helps.
    """
    length = len(normalized(password))
    if length < MIN_LENGTH:
        return Message.of(
            N_("Use at least %(count)s characters; a few unrelated words work well."), count=MIN_LENGTH
        )
    if length > MAX_LENGTH:
        return Message.of(N_("Use at most %(count)s characters."), count=MAX_LENGTH)
    if is_guessable(normalized(password), context):
        return Message.of(N_("This password is too easy to guess. Try a few unrelated words."))
    return None


def normalized(password: str) -> str:
    """Return one spelling of a password, so that it works from every keyboard that can write it."""
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """Return what is stored of a password."""
    with _TURNS:
        return _hasher().hash(normalized(password))


def matches(stored: str | None, password: str) -> bool:
    """Tell whether a password is the stored one; without a stored one the same work is done for nothing.

    A stranger could otherwise tell by the time taken which addresses have an account.
    """
    if stored is None or len(password) > MAX_LENGTH:
        stored, password = _nobody(_cost()), ""
    try:
        with _TURNS:
            return _hasher().verify(stored, normalized(password))
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """Tell whether a hash was made with other costs than today's."""
    return _hasher().check_needs_rehash(stored)


def hash_code(code: str) -> str:
    """Return what is stored of a random code; it is long, so the least cost that counts as safe is enough."""
    with _TURNS:
        return _hasher_of(_code_cost()).hash(code)


def code_matches(stored: str, code: str) -> bool:
    """Tell whether a random code is the stored one."""
    try:
        with _TURNS:
            return _hasher_of(_code_cost()).verify(stored, code)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def _code_cost() -> Cost:
    cost = _cost()
    return Cost(min(cost.memory, 19 * 1024), min(cost.passes, 2), 1)


def _cost() -> Cost:
    cost = current_app.config["PASSWORD_COST"]
    assert isinstance(cost, Cost)
    return cost


def _hasher() -> PasswordHasher:
    return _hasher_of(_cost())


@lru_cache
def _hasher_of(cost: Cost) -> PasswordHasher:
    return PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory, parallelism=cost.lanes)


@lru_cache
def _nobody(cost: Cost) -> str:
    return _hasher_of(cost).hash(secrets.token_urlsafe())
