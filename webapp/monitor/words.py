"""What alerts say, in the language of their channel: no request is near that could tell a language."""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from adapters.kit import N_
from webapp.engine.codes import code_of
from webapp.models.incident import Incident

LOCALES = ("en", "zh_Hans_CN")
_CATALOGUES = Path(__file__).parents[2] / "translations"
Say = Callable[..., str]

_PROBLEMS = {
    "down": N_("%(name)s is down"),
    "reauth": N_("%(name)s needs new credentials"),
    "degraded": N_("%(name)s is degraded"),
    "network": N_("Nearly no service can be reached: the fault is probably on this side"),
}


def speaker(locale: str) -> Say:
    """A function that says a sentence with its values in a language."""
    catalogue = _catalogue(locale)

    def say(msgid: str, **values: object) -> str:
        sentence = catalogue.gettext(msgid) if msgid else ""
        return sentence % values if values else sentence

    return say


@cache
def _catalogue(locale: str) -> gettext.NullTranslations:
    return gettext.translation("messages", _CATALOGUES, languages=[locale], fallback=True)


def headline(incident: Incident, kind: str, say: Say) -> str:
    """One line: what happened to what."""
    name = incident.service_name or ""
    if kind == "recovery":
        if incident.service_name is None:
            return say(N_("The network works again"))
        return say(N_("%(name)s is well again"), name=name)
    if kind == "fallback":
        carrier = (incident.carried_by or {}).get("service_name", "")
        return say(N_("%(other)s stands in for %(name)s"), other=carrier, name=name)
    problem = _PROBLEMS.get(incident.state, _PROBLEMS["down"])
    line = say(problem, name=name) if incident.service_name else say(problem)
    return say(N_("Still: %(what)s"), what=line) if kind == "reminder" else line


def paragraph(incident: Incident, kind: str, say: Say, base_url: str | None) -> str:
    """Everything a person needs at three in the morning: since when, what it said, what to do, where to look."""
    since = incident.opened_at.strftime("%Y-%m-%d %H:%M")
    lines = [headline(incident, kind, say), say(N_("Since %(time)s UTC."), time=since)]
    if kind == "recovery" and incident.closed_at:
        minutes = max(1, round((incident.closed_at - incident.opened_at).total_seconds() / 60))
        lines.append(say(N_("It lasted %(minutes)s minutes."), minutes=minutes))
    elif incident.code or incident.message:
        lines += _cause(incident, say)
    if incident.carried_by and kind in {"problem", "reminder"}:
        lines.append(say(N_("%(other)s stands in."), other=incident.carried_by["service_name"]))
    if incident.affected_calls:
        more = "+" if incident.affected_more else ""
        lines.append(say(N_("Calls that failed: %(count)s."), count=f"{incident.affected_calls}{more}"))
    if base_url:
        lines.append(f"{base_url.rstrip('/')}/health/incidents/{incident.incident_id}")
    return "\n".join(lines)


def _cause(incident: Incident, say: Say) -> list[str]:
    said: dict[str, Any] = incident.message or {}
    lines = []
    if said.get("msgid"):
        lines.append(str(say(said["msgid"], **(said.get("values") or {}))))
    if incident.code:
        code = code_of(incident.code)
        lines += [f"{say(code.title)} ({incident.code})", say(code.remedy)]
    return lines


def test_message(say: Say) -> tuple[str, str]:
    """Subject and text of a test."""
    text = say(N_("This is a test of an alert channel of Patchbay. Nothing is wrong."))
    return say(N_("Test of an alert channel")), text
