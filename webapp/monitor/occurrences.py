"""When a maintenance window is open, once or again and again, by the clock on the wall of its time zone.

The same hours are meant each time, so a window from 01:00 to 04:00 lasts an hour more or less on the day the clocks
change. What begins or ends at an hour which that day does not have does so an hour later; of an hour that comes
twice a window has both. The 29th, 30th and 31st of a month without them are its last day.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from webapp.models.maintenance import MaintenanceWindow

# Within fourteen months every day of the month has been every day of the week, and the clocks have changed each way.
HORIZON = timedelta(days=430)
DAYS = {"daily": 1, "weekly": 7, "monthly": 28}
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a window is open, in UTC; its end does not belong to it."""

    starts_at: datetime
    ends_at: datetime

    def is_open(self, now: datetime) -> bool:
        """Whether it has begun and not ended."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class Series:
    """A window as a row of occurrences: one, or one each day, week or month until some moment, if any."""

    starts_at: datetime
    ends_at: datetime
    repeats: str | None = None
    time_zone: str = "UTC"
    repeat_until: datetime | None = None
    skipped_until: datetime | None = None

    def after(self, moment: datetime) -> Iterator[Occurrence]:
        """Those that have not ended at a moment, in order; endless when it repeats without end."""
        for number in count(self._first_near(max(moment, self.skipped_until or moment))):
            if number and not self.repeats:
                return
            one = self._occurrence(number)
            if number and self.repeat_until is not None and one.starts_at > self.repeat_until:
                return
            if one.ends_at > moment and not (self.skipped_until and one.starts_at <= self.skipped_until):
                yield one

    def at(self, moment: datetime) -> Occurrence | None:
        """The one that is open, or the next; None when there is none any more."""
        return next(self.after(moment), None)

    def meets(self, other: Series, now: datetime) -> bool:
        """Whether both are open at the same time, from now on and as far as it can be foreseen."""
        mine, theirs = self.after(now), other.after(now)
        one, two = next(mine, None), next(theirs, None)
        horizon = max(now, self.starts_at, other.starts_at) + HORIZON
        while one and two and min(one.starts_at, two.starts_at) < horizon:
            if one.starts_at < two.ends_at and two.starts_at < one.ends_at:
                return True
            if one.ends_at <= two.ends_at:
                one = next(mine, None)
            else:
                two = next(theirs, None)
        return False

    def over_at(self) -> datetime | None:
        """When the last one ends; None while it repeats without end."""
        if not self.repeats:
            return self.ends_at
        if self.repeat_until is None:
            return None
        last = self.ends_at
        for one in self.after(self.repeat_until - timedelta(days=2 * DAYS[self.repeats] + 6)):
            last = max(last, one.ends_at)
        return last

    def _occurrence(self, number: int) -> Occurrence:
        if not number:
            return Occurrence(self.starts_at, self.ends_at)
        zone = ZoneInfo(self.time_zone)
        first, last = (
            moment.astimezone(zone).replace(tzinfo=None) for moment in (self.starts_at, self.ends_at)
        )
        begins = self._moved(first, number)
        start = _moment(begins, zone, fold=0)
        end = _moment(begins + (last - first), zone, fold=1)
        return Occurrence(start, end if end > start else start + (self.ends_at - self.starts_at))

    def _moved(self, first: datetime, number: int) -> datetime:
        """The first time so many days, weeks or months later, on the wall."""
        if self.repeats != "monthly":
            return first + timedelta(days=DAYS[self.repeats or "daily"] * number)
        year, month = divmod(first.year * _MONTHS + first.month - 1 + number, _MONTHS)
        day = min(first.day, monthrange(year, month + 1)[1])
        return first.replace(year=year, month=month + 1, day=day)

    def _first_near(self, moment: datetime) -> int:
        """A number of an occurrence that surely ended before a moment, or 0; none of them is long ago."""
        if not self.repeats or moment <= self.starts_at:
            return 0
        passed = (moment - self.starts_at).days // (31 if self.repeats == "monthly" else DAYS[self.repeats])
        return max(0, passed - 2)


def series_of(window: MaintenanceWindow) -> Series:
    """A stored window as a series."""
    return Series(
        window.starts_at,
        window.ends_at,
        window.repeats,
        window.time_zone,
        window.repeat_until,
        window.skipped_until,
    )


def _moment(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != wall:  # an hour that this day does not have
        moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return moment
