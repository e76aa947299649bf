"""Taking a search along as CSV or NDJSON: line by line, never more than a limit, and never what was sent or received."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
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
    """The newest attempts that match, in one of TYPES; ends with a word when there are more than it took along."""
    entries = _entries(search, wanted, most)
    return _csv(entries, most) if kind == "csv" else _ndjson(entries, most)


def told(wanted: LogFilter) -> dict[str, str]:
    """The search as an audit keeps it: whom it looked for is left out."""
    members = {name: getattr(wanted, "from_" if name == "from" else name) for name in LogFilter.names()}
    shown = {name: str(value) for name, value in members.items() if value is not None and name != "q"}
    if wanted.q:
        parts = ("to:***" if term.field == "to" else wanted.q.source(term) for term in wanted.q.terms)
        shown["q"] = " ".join(parts)
    return shown | ({"recipient": "***"} if wanted.recipient else {})


def _entries(search: Search, wanted: LogFilter, most: int) -> Iterator[LogEntry | None]:
    """The entries in order; None at the end when there are more."""
    cursor, left = None, most
    while True:
        page = search(wanted, min(_PAGE, left), cursor)
        yield from page.items
        left -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return
        if left <= 0:
            yield None
            return


def _csv(entries: Iterator[LogEntry | None], most: int) -> Iterator[str]:
    # The mark at the beginning tells a spreadsheet that this is UTF-8.
    yield "\N{BOM}" + _csv_line(COLUMNS)
    for entry in entries:
        values: Any = entry.to_dict().values() if entry else (f"… more than {most} entries …",)
        yield _csv_line("" if value is None else value for value in values)


def _csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(_safe(value) for value in values)
    return line.getvalue()


def _safe(value: object) -> object:
    """Keep a spreadsheet from running what somebody else typed."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _ndjson(entries: Iterator[LogEntry | None], most: int) -> Iterator[str]:
    for entry in entries:
        line = entry.to_dict() if entry else {"truncated": True, "limit": most}
        yield json.dumps(line, ensure_ascii=False) + "\n"
