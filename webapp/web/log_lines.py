"""The rows of the log as its list prints them: everything that is the same in each of them is made once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC
from itertools import groupby
from typing import NamedTuple

from flask import url_for
from flask_babel import format_date, get_timezone, gettext
from markupsafe import Markup, escape

from webapp.log.entries import LogEntry
from webapp.web.hx import hx
from webapp.web.i18n import zone_name
from webapp.web.log_search import url_with


class Line(NamedTuple):
    """One attempt, with what its row needs beyond its own members."""

    entry: LogEntry
    time: Markup
    took: str
    url: str
    opens: Markup


class Day(NamedTuple):
    """The lines of one day in the reader's zone."""

    name: str
    lines: list[Line]


def by_day(entries: Sequence[LogEntry]) -> list[Day]:
    """Group a page of entries under the days of the reader's time zone."""
    zone, told = get_timezone(), escape(zone_name())
    page, drawer = _of_any_call()
    took = gettext("%(ms)s ms", ms="{}")
    local = [(entry.request_timestamp.astimezone(zone), entry) for entry in entries]
    days = []
    for date, group in groupby(local, key=lambda one: one[0].date()):
        lines = []
        for at, entry in group:
            full = f"{at:%Y-%m-%d %H:%M:%S}"
            utc = f"{entry.request_timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            time = Markup(f'<time datetime="{utc}" title="{full} {told}">{full[11:]}</time>')  # noqa: S704 - digits
            lasted = "–" if entry.duration_ms is None else took.replace("{}", str(entry.duration_ms))
            call = str(entry.call_id)
            lines.append(Line(entry, time, lasted, page(call), drawer(call)))
        days.append(Day(format_date(date, "full", rebase=False), lines))
    return days


def _of_any_call() -> tuple[Callable[[str], str], Callable[[str], Markup]]:
    """The address of the page of a call, and the attributes that open it beside the list."""
    stand_in = secrets.randbits(62)  # nobody can have written it into their search
    any_call, address = str(stand_in), url_for("logs.show", call_id=stand_in)
    opens = str(hx(get=url_with(open=any_call), target="#drawer", swap="innerHTML", push_url="true"))
    return (
        lambda call: address.replace(any_call, call),
        lambda call: Markup(opens.replace(any_call, call)),  # noqa: S704 - digits in our own attributes
    )
