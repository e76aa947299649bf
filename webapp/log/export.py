"""Taking a search along as CSV or NDJSON: line by line, never more than a limit, and never what was sent or received."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from webapp.log.entries import LogEntry, Page
from webapp.log.filters import LogFilter

MOST = 100_000
TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson; charset=utf-8"}
COLUMNS = tuple(field.name for field in fields(LogEntry))
_PAGE = 200
# What a spreadsheet would take for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
Search = Callable[[LogFilter, int, str | None], Page]


def lines(kind: str, search: Search, wanted: LogFilter, most: int = MOST) -> Iterator[str]:
    """The newest attempts that match, in one of TYPES; ends with a word about what is missing."""
    entries = _entries(search, wanted, most)
    return _csv(entries) if kind == "csv" else _ndjson(entries)


def told(wanted: LogFilter) -> dict[str, str]:
    """The search as an audit keeps it: whom it looked for is left out."""
    members = {name: getattr(wanted, "from_" if name == "from" else name) for name in LogFilter.names()}
    shown = {name: str(value) for name, value in members.items() if value is not None and name != "q"}
    if wanted.q:
        parts = ("to:***" if term.field == "to" else wanted.q.source(term) for term in wanted.q.terms)
        shown["q"] = " ".join(parts)
    return shown | ({"recipient": "***"} if wanted.recipient else {})


@dataclass(frozen=True, slots=True)
class _Missing:
    """What was not taken along: more than so many entries, or days that cannot be read."""

    most: int | None = None
    days: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """As a line of its own."""
        if self.most:
            return f"… more than {self.most} entries …"
        return f"… the log cannot be read of {', '.join(self.days)} …"

    def to_dict(self) -> dict[str, object]:
        """As an object of its own."""
        return {"truncated": True, "limit": self.most} if self.most else {"unreadable_days": list(self.days)}


_Entry = LogEntry | _Missing


def _entries(search: Search, wanted: LogFilter, most: int) -> Iterator[_Entry]:
    """The entries in order, and at the end what is missing."""
    cursor, left, unreadable = None, most, set[date]()
    while True:
        page = search(wanted, min(_PAGE, left), cursor)
        yield from page.items
        left -= len(page.items)
        cursor = page.next_cursor
        unreadable.update(page.unreadable)
        if cursor is None or left <= 0:
            break
    if cursor is not None:
        yield _Missing(most)
    if unreadable:
        yield _Missing(days=tuple(day.isoformat() for day in sorted(unreadable)))


def _csv(entries: Iterator[_Entry]) -> Iterator[str]:
    # The mark at the beginning tells a spreadsheet that this is UTF-8.
    yield "\N{BOM}" + _csv_line(COLUMNS)
    for entry in entries:
        values: Any = (entry.told,) if isinstance(entry, _Missing) else entry.to_dict().values()
        yield _csv_line("" if value is None else value for value in values)


def _csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(_safe(value) for value in values)
    return line.getvalue()


def _safe(value: object) -> object:
    """Keep a spreadsheet from running what somebody else typed."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _ndjson(entries: Iterator[_Entry]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(entry.to_dict(), ensure_ascii=False) + "\n"
