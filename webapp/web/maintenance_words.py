"""Maintenance windows as the page tells them, and their form as the registry wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from adapters.kit import Message, N_
from webapp.models.maintenance import MaintenanceWindow
from webapp.monitor import windows
from webapp.monitor.occurrences import Occurrence, series_of
from webapp.web.i18n import available_zones, say, zone_name

REPEATS: Mapping[str, str] = {
    "": N_("Once"),
    "daily": N_("Every day"),
    "weekly": N_("Every week"),
    "monthly": N_("Every month"),
}
_RHYTHMS: Mapping[str, str] = {
    "daily": N_("Every day from %(start)s to %(end)s (%(zone)s)"),
    "weekly": N_("Every week, this day from %(start)s to %(end)s (%(zone)s)"),
    "monthly": N_("Every month, on day %(day)s from %(start)s to %(end)s (%(zone)s)"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A window as it is listed: the time that is open or comes, or the last one."""

    window: MaintenanceWindow
    phase: str
    shown: Occurrence
    rhythm: str


def row_of(window: MaintenanceWindow, now: datetime) -> Row:
    """A window as it is listed."""
    coming = series_of(window).at(now)
    shown = coming or Occurrence(window.starts_at, window.over_at or window.ends_at)
    return Row(window, windows.phase(window, now), shown, _rhythm(window))


def zone_of(window: MaintenanceWindow) -> str:
    """Whose clock its form shows: of one that repeats its own, because its hours are meant."""
    return window.time_zone if window.repeats else zone_name()


def stored_form(window: MaintenanceWindow) -> dict[str, Any]:
    """What the form of a stored window shows at first."""
    zone = ZoneInfo(zone_of(window))
    last = window.repeat_until
    return {
        "title": window.title, "repeats": window.repeats or "",
        "starts_at": _local(window.starts_at, zone), "ends_at": _local(window.ends_at, zone),
        "repeat_until": last.astimezone(zone).date().isoformat() if last else "",
    }  # fmt: skip


def values_of(form: MultiDict[str, str], stored: MaintenanceWindow | None = None) -> dict[str, Any]:
    """What the form of a window says; its times are those of the zone it names."""
    zone = form_zone(form)
    values = {
        "title": form.get("title", "").strip(),
        "services": form.getlist("services"),
        **{name: _moment(form.get(name, ""), zone) for name in ("starts_at", "ends_at")},
        "repeats": form.get("repeats") or None,
        "time_zone": zone,
        "repeat_until": _last_moment(form.get("repeat_until", "").strip(), zone),
    }
    return values | (_untouched(form, stored) if stored and zone == zone_of(stored) else {})


def form_zone(form: Mapping[str, str]) -> str:
    """The zone in which the form was shown."""
    given = form.get("time_zone", "")
    return given if given in available_zones() else zone_name()


def _untouched(form: Mapping[str, str], stored: MaintenanceWindow) -> dict[str, datetime]:
    """The times nobody changed, to the fraction of a second that no form shows."""
    shown = stored_form(stored)
    names = [name for name in ("starts_at", "ends_at", "repeat_until") if form.get(name) == shown[name]]
    return {name: getattr(stored, name) for name in names if getattr(stored, name) is not None}


def _rhythm(window: MaintenanceWindow) -> str:
    """When it comes again, as one would say it; empty when it does not."""
    if window.repeats is None:
        return ""
    first, last = (
        moment.astimezone(ZoneInfo(window.time_zone)) for moment in (window.starts_at, window.ends_at)
    )
    values = {
        "start": f"{first:%H:%M}", "end": f"{last:%H:%M}", "zone": window.time_zone, "day": first.day,
    }  # fmt: skip
    return say(Message.of(_RHYTHMS[window.repeats], **values))


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M}"


def _last_moment(text: str, zone: str) -> datetime | str | None:
    """The end of the last day."""
    found = _moment(text, zone) if text else None
    return datetime.combine(found, time.max, found.tzinfo) if isinstance(found, datetime) else found


def _moment(text: str, zone: str) -> datetime | str:
    """What a field for date and time sends; nonsense stays text and is refused."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
