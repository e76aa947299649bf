"""A maintenance window as it is asked for, and what may be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from adapters.kit.syntax import single_line
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.occurrences import DAYS, Series
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.fields import Identifier, Strict, flaws_of

if TYPE_CHECKING:
    from webapp.runtime import Runtime

LONGEST = timedelta(days=30)
# A day, or a month, may be an hour shorter than the next.
_BETWEEN = timedelta(hours=1)
_FARTHEST = timedelta(days=5 * 366)


class WindowFields(Strict):
    """A window as it is asked for."""

    title: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(single_line)]
    services: list[Identifier] = Field(
        default=[], max_length=200, description="Ids of services; none means all."
    )
    starts_at: AwareDatetime = Field(description="When it begins, the first time if it repeats.")
    ends_at: AwareDatetime
    repeats: Literal["daily", "weekly", "monthly"] | None = Field(
        default=None,
        description="At the same hours of each day, of this weekday, or of this day of the month.",
    )
    time_zone: str = Field(default="UTC", description="Whose hours are meant when it repeats.")
    repeat_until: AwareDatetime | None = Field(
        default=None, description="It does not begin again after this; empty means it never stops."
    )


def checked(
    session: Session, runtime: Runtime, values: Mapping[str, Any], *, began: datetime | None = None
) -> WindowFields:
    """The fields of a window. Raises Invalid. One that is changed may go on from when it `began`."""
    try:
        fields = WindowFields.model_validate(dict(values))
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None
    flaws = _flaws_of_times(fields, runtime.clock.now(), began)
    chosen = select(Service.service_id).where(
        Service.service_id.in_(fields.services), Service.deleted_at.is_(None)
    )
    known = set(session.scalars(chosen))
    if set(fields.services) - known:
        flaws.append(_flaw("services", N_("There is no such service.")))
    if flaws:
        raise Invalid(flaws)
    return fields


def _flaws_of_times(fields: WindowFields, now: datetime, began: datetime | None) -> list[Flaw]:
    """The first thing that is wrong with its times."""
    starts_at, ends_at, until = fields.starts_at, fields.ends_at, fields.repeat_until
    lasts = ends_at - starts_at
    period = timedelta(days=DAYS[fields.repeats]) if fields.repeats else timedelta.max
    checks = (
        (lasts <= timedelta(0), "ends_at", N_("It cannot end before it begins.")),
        (lasts > LONGEST, "ends_at", N_("A window may last 30 days at most.")),
        (starts_at > now + _FARTHEST, "starts_at", N_("It must begin within five years.")),
        (starts_at != began and starts_at < now - LONGEST, "ends_at", N_("It would be over already.")),
        (not fields.repeats and ends_at <= now, "ends_at", N_("It would be over already.")),
        (lasts > period - _BETWEEN, "ends_at", N_("It must end an hour before it begins again.")),
        (until and not fields.repeats, "repeat_until", N_("Only a window that repeats has a last time.")),
        (until and until < starts_at, "repeat_until", N_("It cannot end before it begins.")),
        (until and until > now + 2 * _FARTHEST, "repeat_until", N_("It must end within ten years.")),
    )
    found = next(((name, text) for is_wrong, name, text in checks if is_wrong), None)
    if found is None and fields.time_zone not in available_timezones():
        found = ("time_zone", N_("There is no such time zone; use a name such as Asia/Shanghai."))
    if found is None and series(fields).at(now) is None:
        found = ("repeat_until", N_("It would be over already."))
    return [_flaw(*found)] if found else []


def series(fields: WindowFields) -> Series:
    """The times of a window."""
    return Series(fields.starts_at, fields.ends_at, fields.repeats, fields.time_zone, fields.repeat_until)


def _flaw(name: str, text: str) -> Flaw:
    return Flaw.at(name, code="range", message=Message.of(text))
