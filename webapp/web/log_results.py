"""What a search of the log found, as its page draws it: rows, bars over time, errors, and where to look instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from flask import current_app, request
from flask_babel import (
    format_date,
    format_datetime,
    format_decimal,
    format_timedelta,
    gettext,
    ngettext,
    to_user_timezone,
)
from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import N_
from webapp.extensions import runtime
from webapp.log.entries import LogEntry
from webapp.log.entries import Page as LogPage
from webapp.log.filters import FilterInvalid, LogFilter
from webapp.log.survey import Survey
from webapp.web.charts import Bucket, Histogram
from webapp.web.i18n import say
from webapp.web.log_search import LogSearch

TONES = {"succeeded": "ok", "retried": "warn", "failed": "bad", "unknown": "none"}
TONE_LABELS = {
    "ok": N_("Succeeded"),
    "warn": N_("Succeeded after a retry"),
    "bad": N_("Failed"),
    "none": N_("Unknown or in progress"),
}
TAIL_MOST = 100
_AROUND = timedelta(minutes=30)
_LATE_S = 1.0


class Nearby(NamedTuple):
    """An attempt outside the range, and the range to look at it in."""

    at: datetime
    earlier: bool
    from_: str
    to: str


class Bar(NamedTuple):
    """One bar as a link: its time, its range in the URL, and what it stands for in words."""

    start: datetime
    from_: str
    to: str
    label: str
    total: int


@dataclass(frozen=True, slots=True)
class Results:
    """Everything below the search box."""

    page: LogPage
    survey: Survey
    nearby: tuple[Nearby, ...] = ()
    broken: bool = False
    late_s: int = 0

    @property
    def chart(self) -> Histogram:
        """The bars."""
        span = self.survey.span
        if span is None:
            return Histogram([], timedelta(seconds=1))
        bars = self.survey.bars
        buckets = [
            Bucket(span.at(place), {TONES[tone]: count for tone, count in bars.get(place, {}).items()})
            for place in range(span.count)
        ]
        return Histogram(buckets, span.step)

    @property
    def bars(self) -> list[Bar]:
        """Each bar as a link to its time alone."""
        step = self.chart.step
        return [
            Bar(one.start, iso(one.start), iso(one.start + step), _told(one), one.total)
            for one in self.chart.buckets
        ]

    @property
    def count(self) -> str:
        """How many there are, in words."""
        number = self.survey.count
        if self.survey.capped:
            return str(gettext("%(count)s+ attempts", count=format_decimal(number)))
        return str(ngettext("%(count)s attempt", "%(count)s attempts", number, count=format_decimal(number)))


def results(search: LogSearch) -> Results:
    """Look for it; a log that cannot be read now is a result too."""
    try:
        page = _page(search.filter)
        survey = runtime().log.survey(search.filter)
        empty = not page.items and (search.filter.from_ or search.filter.to)
        nearby = tuple(_nearby(search.filter)) if empty else ()
    except SQLAlchemyError as error:
        current_app.logger.error("The log cannot be read: %s", type(error).__name__)  # noqa: TRY400 - no statement
        return Results(LogPage((), None), Survey(), broken=True)
    return Results(page, survey, nearby, late_s=_late_s())


def newest(search: LogSearch) -> LogPage:
    """The newest attempts, for somebody who watches."""
    return runtime().log.search(search.filter, TAIL_MOST)


def by_day(entries: Sequence[LogEntry]) -> list[tuple[str, list[LogEntry]]]:
    """Group a page of entries under the days of the reader's time zone."""
    days = groupby(entries, key=lambda entry: to_user_timezone(entry.request_timestamp).date())
    return [(format_date(day, "full", rebase=False), list(group)) for day, group in days]


def iso(moment: datetime) -> str:
    """A moment as it stands in the URL."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def step_length(step: timedelta) -> str:
    """How long a bar lasts, in words."""
    return str(format_timedelta(step, threshold=1))


def _page(wanted: LogFilter) -> LogPage:
    log = runtime().log
    most = TAIL_MOST if "tail" in request.args else 50
    try:
        return log.search(wanted, most, request.args.get("cursor"))
    except FilterInvalid:
        return log.search(wanted, most)


def _nearby(wanted: LogFilter) -> list[Nearby]:
    """The newest match before the range, and the newest after it."""
    log = runtime().log
    ranges = [(True, None, wanted.from_), (False, wanted.to, None)]
    found = []
    for earlier, since, until in ranges:
        if since or until:
            items = log.search(replace(wanted, from_=since, to=until), 1).items
            found += [_around(one.request_timestamp, earlier) for one in items]
    return found


def _around(at: datetime, earlier: bool) -> Nearby:
    return Nearby(at, earlier, iso(at - _AROUND), iso(at + _AROUND))


def _told(bucket: Bucket) -> str:
    """A bar in words: its beginning and its numbers."""
    parts = [f"{say(TONE_LABELS[tone])} {format_decimal(count)}" for tone, count in bucket.counts.items()]
    return f"{format_datetime(bucket.start, 'yyyy-MM-dd HH:mm:ss')}: {', '.join(parts) or '0'}"


def _late_s() -> int:
    """For how many seconds the journal has been waiting for the log."""
    stuck_s = runtime().recorder.backlog().stuck_s
    return round(stuck_s) if stuck_s >= _LATE_S else 0
