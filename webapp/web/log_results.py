"""What a search of the log found, as its page draws it: rows, bars over time, errors, and where to look instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from flask import current_app, request
from flask_babel import format_timedelta, gettext, ngettext
from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import N_
from webapp.extensions import runtime
from webapp.log.entries import Page as LogPage
from webapp.log.filters import FilterInvalid, LogFilter
from webapp.log.survey import Survey
from webapp.web.charts import Bucket, Histogram
from webapp.web.i18n import number, say, stamp
from webapp.web.log_search import LogSearch, address_with

TONES = {"succeeded": "ok", "retried": "warn", "failed": "bad", "unknown": "none"}
TONE_LABELS = {
    "ok": N_("Succeeded"),
    "warn": N_("Succeeded after a retry"),
    "bad": N_("Failed"),
    "none": N_("Unknown or in progress"),
}
TAIL_MOST, NEWS_MOST = 100, 200
_AROUND = timedelta(minutes=30)
_LATE_S = 2.0


class Nearby(NamedTuple):
    """An attempt outside the range, and the range to look at it in."""

    at: datetime
    earlier: bool
    from_: str
    to: str


class Bar(NamedTuple):
    """One bar as a link: its beginning in words, the list of its time alone, and what it stands for."""

    at: str
    url: str
    label: str
    bucket: Bucket


@dataclass(frozen=True)
class Results:
    """Everything below the search box."""

    page: LogPage
    survey: Survey
    nearby: tuple[Nearby, ...] = ()
    broken: bool = False
    late_s: int = 0

    @cached_property
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

    @cached_property
    def tones(self) -> list[tuple[str, str, int]]:
        """The ways attempts ended that occur: name, word and how many."""
        return [(tone, say(TONE_LABELS[tone]), total) for tone, total in self.chart.totals.items()]

    @cached_property
    def bars(self) -> list[Bar]:
        """Each bar as a link to its time alone."""
        words = {tone: say(label) for tone, label in TONE_LABELS.items()}
        to_time = address_with("from", "to", without=("range", "cursor", "open", "tail"))
        bars = []
        for one in self.chart.buckets:
            at = stamp(one.start)
            told = ", ".join(f"{words[tone]} {number(count)}" for tone, count in one.counts.items())
            url = to_time(iso(one.start), iso(one.start + self.chart.step))
            bars.append(Bar(at, url, f"{at}: {told or '0'}", one))
        return bars

    @property
    def count(self) -> str:
        """How many there are, in words."""
        found = self.survey.count
        if self.survey.capped:
            return str(gettext("%(count)s+ attempts", count=number(found)))
        return str(ngettext("%(count)s attempt", "%(count)s attempts", found, count=number(found)))


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


def wider(wanted: LogFilter) -> dict[str, str | None] | None:
    """What the URL becomes with three times the range around it; None without a range of its own."""
    if wanted.from_ is None or wanted.to is None or wanted.to <= wanted.from_:
        return None
    length = wanted.to - wanted.from_
    try:
        start, end = wanted.from_ - length, wanted.to + length
    except OverflowError:
        return None
    return {"from": iso(start), "to": iso(end), "range": None, "cursor": None, "open": None}


def newer(search: LogSearch, than: str) -> int:
    """How many attempts match that are newer than the one of this number; not many more than NEWS_MOST."""
    if not (than.isascii() and than.isdigit()) or int(than[:20]) >= 2**63:
        return 0
    log = runtime().log
    conditions = search.filter.conditions(log.hash_recipient)
    return log.count(conditions, NEWS_MOST, after=int(than))


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


def _late_s() -> int:
    """For how many seconds the oldest record of this machine has been waiting for the log."""
    live = runtime()
    lag_s = live.ledger.lag_s(live.clock.now())
    return round(lag_s) if lag_s >= _LATE_S else 0
