"""The fields of the search language: their names, how a value is read, and what it means in SQL.

A condition is true or null for no row it should not find; the caller turns it round for `-`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func

from adapters.kit import Message, N_
from webapp.log.language_services import Services
from webapp.log.searchtext import matching
from webapp.log.tables import call_logs
from webapp.log.words import words

TEXT = "text"
KINDS = ("attempt", "local", "transition", "health", "test")
OUTCOMES = ("succeeded", "failed", "unknown", "pending")
_OUTCOME_WORDS = {"ok": "succeeded", "success": "succeeded", "error": "failed", "failure": "failed"}
_STATUS = re.compile(r"([1-5])(xx|\d\d)", re.IGNORECASE)
_NUMBER = re.compile(r"(\d{1,9})(?:\.(\d{1,3}))?(ms|s)?", re.IGNORECASE)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LARGEST, _LARGEST_ID = 2**31 - 1, 2**63 - 1
_VALUE_MAX = 200
_COMPARE: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    ":": lambda column, value: column == value,
    "=": lambda column, value: column == value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
}


class Unreadable(ValueError):
    """A value that a field cannot have; `message` says why."""

    def __init__(self, msgid: str, **values: object) -> None:
        self.message = Message.of(msgid, **values)
        super().__init__(str(self.message))


@dataclass(frozen=True, slots=True)
class Value:
    """One value: as it was typed without its quotation marks, and as it is looked for."""

    text: str
    meant: Any
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field: how a value is read from its words, and the condition for one."""

    label: str
    read: Callable[[str, bool, str, Services], Value]
    match: Callable[[Value, str, Callable[[str], str]], ColumnElement[bool]]
    choices: tuple[str, ...] = ()
    example: str = ""


def _column(name: str) -> ColumnElement[Any]:
    return call_logs.c[name]


def _equal(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    return _COMPARE["="](column, value)


def _checked(text: str, operator: str) -> str:
    if operator not in {":", "="}:
        raise Unreadable(N_("This field cannot be compared; use a colon."))
    if len(text) > _VALUE_MAX:
        raise Unreadable(N_("Use at most %(max_length)s characters."), max_length=_VALUE_MAX)
    if not text.strip() or CONTROL.search(text):
        raise Unreadable(N_("Use printable characters."))
    return text.strip()


def _word(column: str, fold: Callable[[str], str] = str) -> tuple[Any, Any]:
    """A column that is compared as a whole, or by its beginning when an asterisk ends the value."""

    def read(text: str, quoted: bool, operator: str, _services: Services) -> Value:
        word = _checked(text, operator)
        if not quoted and word.endswith("*"):
            return Value(text, fold(word.rstrip("*")), prefix=True)
        return Value(text, fold(word))

    def match(value: Value, _operator: str, _hash: Callable[[str], str]) -> ColumnElement[bool]:
        place = _column(column)
        if value.prefix:
            return _equal(func.substr(place, 1, len(value.meant)), value.meant)
        return _equal(place, value.meant)

    return read, match


def _choice(column: str, choices: tuple[str, ...], words: Mapping[str, str]) -> tuple[Any, Any]:
    def read(text: str, _quoted: bool, operator: str, _services: Services) -> Value:
        word = _checked(text, operator).lower()
        word = words.get(word, word)
        if word not in choices:
            raise Unreadable(N_("Choose one of: %(expected)s."), expected=", ".join(choices))
        return Value(text, word)

    def match(value: Value, _operator: str, _hash: Callable[[str], str]) -> ColumnElement[bool]:
        return _equal(_column(column), value.meant)

    return read, match


def _number(column: str) -> tuple[Any, Any]:
    """A whole number; `2s` and `1.5s` are milliseconds as well."""

    def read(text: str, _quoted: bool, _operator: str, _services: Services) -> Value:
        found = _NUMBER.fullmatch(text)
        is_seconds = bool(found and found[3] and found[3].lower() == "s")
        if (
            not found
            or not text.isascii()
            or (found[2] and not is_seconds)
            or (found[3] and column != "duration_ms")
        ):
            raise Unreadable(N_("Use a whole number."))
        number = int(found[1]) * 1000 + int((found[2] or "").ljust(3, "0")) if is_seconds else int(found[1])
        if number > _LARGEST:
            raise Unreadable(N_("This number is too large."))
        return Value(text, number)

    def match(value: Value, operator: str, _hash: Callable[[str], str]) -> ColumnElement[bool]:
        return _COMPARE[operator](_column(column), value.meant)

    return read, match


def _status() -> tuple[Any, Any]:
    """`404`, a class like `5xx`, or `none` for no answer."""
    column = _column("response_status_code")

    def read(text: str, _quoted: bool, operator: str, _services: Services) -> Value:
        if text.lower() == "none" and operator in {":", "="}:
            return Value(text, None)
        found = _STATUS.fullmatch(text)
        if not found or not text.isascii():
            raise Unreadable(N_("Use an HTTP status like 404 or a class like 5xx."))
        if found[2].isdigit():
            return Value(text, int(text))
        if operator not in {":", "="}:
            raise Unreadable(N_("Compare with one HTTP status, such as 500."))
        return Value(text, int(found[1]) * 100, prefix=True)

    def match(value: Value, operator: str, _hash: Callable[[str], str]) -> ColumnElement[bool]:
        if value.meant is None:
            return column.is_(None)
        if value.prefix:
            return column.between(value.meant, value.meant + 99)
        return _COMPARE[operator](column, value.meant)

    return read, match


def _service() -> tuple[Any, Any]:
    def read(text: str, quoted: bool, operator: str, services: Services) -> Value:
        word = _checked(text, operator)
        prefix = not quoted and word.endswith("*")
        found = services.find(word.rstrip("*") if prefix else word, prefix=prefix)
        if not found:
            raise Unreadable(N_("No service has this name."))
        return Value(text, found)

    def match(value: Value, _operator: str, _hash: Callable[[str], str]) -> ColumnElement[bool]:
        return _column("service_id").in_(value.meant)

    return read, match


def _call() -> tuple[Any, Any]:
    def read(text: str, _quoted: bool, operator: str, _services: Services) -> Value:
        if operator not in {":", "="} or not (
            text.isascii() and text.isdigit() and int(text[:20]) <= _LARGEST_ID
        ):
            raise Unreadable(N_("Use the number of a call."))
        return Value(text, int(text[:20]))

    def match(value: Value, _operator: str, _hash: Callable[[str], str]) -> ColumnElement[bool]:
        return _equal(_column("call_id"), value.meant)

    return read, match


def _recipient() -> tuple[Any, Any]:
    def read(text: str, _quoted: bool, operator: str, _services: Services) -> Value:
        return Value(text, _checked(text, operator))

    def match(value: Value, _operator: str, hash_recipient: Callable[[str], str]) -> ColumnElement[bool]:
        return _equal(_column("recipient_hash"), hash_recipient(value.meant))

    return read, match


def _text() -> tuple[Any, Any]:
    """All words of it, in any order; they are taken apart here as they were when they were written down."""

    def read(text: str, _quoted: bool, operator: str, _services: Services) -> Value:
        found = words(_checked(text, operator))
        if not found:
            raise Unreadable(N_("There is no letter or digit in it to look for."))
        return Value(text, found)

    def match(value: Value, _operator: str, _hash: Callable[[str], str]) -> ColumnElement[bool]:
        return matching(value.meant)

    return read, match


FIELDS: Mapping[str, Field] = {
    "service": Field(N_("Service"), *_service(), example="service:Mail"),
    "type": Field(N_("Type"), *_word("service_type", str.upper), example="type:SMS_PROVIDER_*"),
    "op": Field(N_("Operation"), *_word("operation", str.lower), example="op:email.send"),
    "outcome": Field(N_("Outcome"), *_choice("outcome", OUTCOMES, _OUTCOME_WORDS), choices=OUTCOMES),
    "code": Field(N_("Error code"), *_word("code", str.upper), example="code:READ_TIMEOUT"),
    "status": Field(N_("HTTP status"), *_status(), choices=("2xx", "4xx", "5xx", "429", "none")),
    "dur": Field(N_("Duration"), *_number("duration_ms"), example="dur>500"),
    "tries": Field(N_("Attempt"), *_number("attempt_no"), example="tries>1"),
    "corr": Field(N_("Correlation id"), *_word("correlation_id"), example="corr:signup-42"),
    "to": Field(N_("Recipient"), *_recipient(), example="to:user@example.com"),
    "point": Field(N_("Integration point"), *_word("integration_point"), example="point:signup.*"),
    "call": Field(N_("Call"), *_call(), example="call:7504180281704876811"),
    "kind": Field(N_("Kind of entry"), *_choice("kind", KINDS, {}), choices=KINDS),
    TEXT: Field(N_("Text"), *_text()),
}
_OTHER_NAMES = {
    "service_id": "service", "service_type": "type", "operation": "op", "error": "code", "error_code": "code",
    "duration": "dur", "duration_ms": "dur", "attempt": "tries", "correlation": "corr", "correlation_id": "corr",
    "recipient": "to", "integration_point": "point", "call_id": "call",
}  # fmt: skip
NAMES: Mapping[str, str] = {name: name for name in FIELDS if name != TEXT} | _OTHER_NAMES
