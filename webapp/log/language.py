"""The language of a search: `service:Mail -code:READ_TIMEOUT,DNS_FAILURE dur>500 "余额不足"`.

Terms stand apart by spaces and must all hold; commas inside a term are OR; `-` turns a term round; quotation marks keep
spaces and commas together. What is wrong is named with its place, and the other terms are still understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.kit import Message, N_
from webapp.log.language_fields import CONTROL, FIELDS, NAMES, TEXT, Unreadable, Value
from webapp.log.language_services import NOBODY, Services

LENGTH_MAX, TERMS_MAX, VALUES_MAX = 2_000, 40, 50
_HEAD = re.compile(r"([A-Za-z_]+)(?:[:：](>=|<=|>|<|=)?|(>=|<=|>|<|=))")
# Quotation marks of both keyboards, by the one that closes them.
_QUOTES = {'"': '"', "“": "”", "「": "」"}
_COMMAS = ",，"
_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class Term:
    """One understood part of a search and its place in the text; any of its values must match.

    `values_at` is where its values begin, behind the name of the field.
    """

    field: str
    values: tuple[Value, ...]
    operator: str = ":"
    negated: bool = False
    start: int = 0
    end: int = 0
    values_at: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One part that was not understood: its place in the text and why."""

    start: int
    end: int
    reason: Message

    def told(self, text: str) -> Message:
        """The reason with the place and the words themselves, for those who cannot see it underlined."""
        values = {"place": self.start + 1, "words": shown(text[self.start : self.end]), "reason": self.reason}
        return Message.of(N_("At character %(place)s, “%(words)s”: %(reason)s"), **values)


@dataclass(frozen=True, slots=True)
class Query:
    """A search as it was typed, what was understood of it, and what was not."""

    text: str = ""
    terms: tuple[Term, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def words(self) -> tuple[str, ...]:
        """The free text of it, as typed."""
        return tuple(value.text for term in self.terms if term.field == TEXT for value in term.values)

    def source(self, part: Term) -> str:
        """A part as it was typed."""
        return self.text[part.start : part.end]

    def said(self, part: Term) -> str:
        """What a part says about its field: `> 500`, `5xx,404`."""
        values = self.text[part.values_at : part.end]
        return values if part.operator == ":" else f"{part.operator} {values}"

    def without(self, part: Term) -> str:
        """The text with one part taken out."""
        return f"{self.text[: part.start].rstrip()} {self.text[part.end :].lstrip()}".strip()

    def pieces(self) -> Iterator[tuple[str, Fault | None]]:
        """The text in order, each part that was not understood by itself."""
        place = 0
        for fault in self.faults:
            if fault.start > place:
                yield self.text[place : fault.start], None
            yield self.text[fault.start : fault.end], fault
            place = fault.end
        if place < len(self.text):
            yield self.text[place:], None


def parse(text: str, services: Services = NOBODY) -> Query:
    """Understand a search; never raises, whatever the text."""
    if len(text) > LENGTH_MAX:
        reason = Message.of(N_("Use at most %(max_length)s characters."), max_length=LENGTH_MAX)
        return Query(text[:LENGTH_MAX], (), (Fault(0, LENGTH_MAX, reason),))
    terms: list[Term] = []
    faults: list[Fault] = []
    for part in _Reader(text, services):
        if isinstance(part, Fault):
            faults.append(part)
        elif len(terms) < TERMS_MAX:
            terms.append(part)
        else:
            reason = Message.of(N_("Use at most %(most)s parts."), most=TERMS_MAX)
            faults.append(Fault(part.start, len(text), reason))
            break
    return Query(text, tuple(terms), tuple(faults))


def term(field: str, value: object, *, negated: bool = False) -> str:
    """A term as one would type it, its value quoted where it must be."""
    text = str(value)
    bare = text and not re.search(r'[\s,，"“「\x00-\x1f]', text) and not text.endswith("*")
    if field == TEXT and _HEAD.match(text):
        bare = False
    said = text if bare and text[0] not in "-<>=" else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    return f"{'-' if negated else ''}{'' if field == TEXT else field + ':'}{said}"


def shown(words: str) -> str:
    """A part of a search, short and clean enough for a sentence."""
    words = CONTROL.sub("\ufffd", words)
    return words if len(words) <= _SHOWN_MAX else f"{words[: _SHOWN_MAX - 1]}…"


@dataclass(frozen=True, slots=True)
class _Word:
    """One value as it was typed."""

    text: str
    quoted: bool
    start: int
    end: int
    closed: bool = True


class _Reader:
    """Reads a text term by term."""

    def __init__(self, text: str, services: Services) -> None:
        self._text = text
        self._services = services
        self._at = 0

    def __iter__(self) -> Iterator[Term | Fault]:
        while self._skip_space():
            yield self._term()

    def _skip_space(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _term(self) -> Term | Fault:
        start = self._at
        negated = self._text[start] == "-"
        self._at += negated
        field, operator = self._head()
        values_at = self._at
        words = self._words()
        end = self._at
        if field is None:
            name = self._text[start + negated : end].partition(":")[0].partition("：")[0]
            reason = N_("There is no field “%(name)s”. Put quotation marks around it to look for the text.")
            return Fault(start, end, Message.of(reason, name=shown(name)))
        if not words:
            return Fault(start, end, Message.of(N_("Say what to look for after it.")))
        read = self._read(field, operator, words)
        if isinstance(read, Fault):
            return read
        return Term(field, read, operator, negated, start, end, values_at)

    def _head(self) -> tuple[str | None, str]:
        """The field and the operator a term begins with; None for a field that does not exist."""
        found = _HEAD.match(self._text, self._at)
        if not found:
            return TEXT, ":"
        name, operator = NAMES.get(found[1].lower()), found[2] or found[3] or ":"
        if name is not None:
            self._at = found.end()
            return name, operator
        rest = self._text[found.end() :]
        is_address_or_prose = not rest or rest[0].isspace() or rest.startswith("//")
        return (TEXT, ":") if found[3] or found[2] or is_address_or_prose else (None, ":")

    def _words(self) -> list[_Word]:
        words: list[_Word] = []
        while self._at < len(self._text) and not self._text[self._at].isspace():
            if self._text[self._at] in _COMMAS:
                self._at += 1
                continue
            words.append(self._quoted() if self._text[self._at] in _QUOTES else self._bare())
            if words[-1].quoted and self._at < len(self._text) and self._text[self._at] not in _COMMAS:
                break
        return words

    def _bare(self) -> _Word:
        start = self._at
        while self._at < len(self._text) and not (
            self._text[self._at].isspace() or self._text[self._at] in _COMMAS
        ):
            self._at += 1
        return _Word(self._text[start : self._at], False, start, self._at)

    def _quoted(self) -> _Word:
        start, closing = self._at, _QUOTES[self._text[self._at]]
        said: list[str] = []
        self._at += 1
        while self._at < len(self._text) and self._text[self._at] != closing:
            if self._text[self._at] == "\\" and self._text[self._at + 1 : self._at + 2] in {"\\", closing}:
                self._at += 1
            said.append(self._text[self._at])
            self._at += 1
        closed = self._at < len(self._text)
        self._at += closed
        return _Word("".join(said), True, start, self._at, closed)

    def _read(self, name: str, operator: str, words: list[_Word]) -> tuple[Value, ...] | Fault:
        """The values behind the words, or what is wrong with the first that has none."""
        values: list[Value] = []
        if len(words) > VALUES_MAX:
            reason = Message.of(N_("Use at most %(most)s values."), most=VALUES_MAX)
            return Fault(words[VALUES_MAX].start, words[-1].end, reason)
        for word in words:
            if not word.closed:
                return Fault(word.start, word.end, Message.of(N_("The quotation mark is not closed.")))
            try:
                values.append(FIELDS[name].read(word.text, word.quoted, operator, self._services))
            except Unreadable as error:
                return Fault(word.start, word.end, error.message)
        return tuple(values)
