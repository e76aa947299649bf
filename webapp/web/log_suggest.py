"""What can be typed next into the search of the log: fields, then their values, as whole texts for a datalist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from webapp.engine.codes import CODES
from webapp.extensions import runtime
from webapp.log.filters import LogFilter
from webapp.log.language import LENGTH_MAX, term
from webapp.log.language_fields import FIELDS, NAMES, TEXT
from webapp.log.language_services import Services

MOST = 20
_FIRST = ("outcome:failed", "status:5xx", "dur>1000", "tries>1")
_NEWEST = 200
# The columns of the newest attempts that tell which values occur.
_SEEN = {"type": "service_type", "op": "operation", "code": "code", "point": "integration_point"}


def suggestions(text: str, services: Services) -> list[str]:
    """Texts that continue this one, the likely ones first."""
    if len(text) > LENGTH_MAX:
        return []
    before, last = _split(text)
    negated = "-" if last.startswith("-") else ""
    found = dict.fromkeys(before + negated + one for one in _parts(last.removeprefix("-"), services))
    return [one for one in found if one != text][:MOST]


def _split(text: str) -> tuple[str, str]:
    """What stands fast, and the part that is being typed."""
    if not text or text[-1].isspace() or text.count('"') % 2:
        return text, ""
    last = text.rsplit(maxsplit=1)[-1]
    return text[: len(text) - len(last)], last


def _parts(last: str, services: Services) -> Iterator[str]:
    name, colon, value = last.partition(":")
    field = NAMES.get(name.lower()) if colon else None
    if field:
        yield from _matching(field, value, _values(field, services))
        return
    if not last:
        yield from _FIRST
    yield from (f"{one}:" for one in FIELDS if one != TEXT and one.startswith(last.lower()))


def _matching(field: str, typed: str, values: Iterable[str]) -> Iterator[str]:
    """Values that begin with what is typed; those behind an earlier comma stay."""
    kept, comma, begun = typed.rpartition(",")
    key = begun.strip('"').casefold()
    for value in values:
        if value.casefold().startswith(key):
            written = term(field, value).partition(":")[2]
            yield f"{field}:{kept}{comma}{written}"


def _values(field: str, services: Services) -> Iterator[str]:
    if field == "service":
        yield from services.names.values()
    yield from FIELDS[field].choices
    if column := _SEEN.get(field):
        newest = runtime().log.search(LogFilter(), _NEWEST).items
        yield from sorted({value for one in newest if (value := getattr(one, column))})
    if field == "code":
        yield from CODES
