"""Alert rules as sentences, and their forms as the registry wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext, ngettext
from werkzeug.datastructures import MultiDict

from adapters.kit import Message, N_
from webapp.models.alert import AlertRule
from webapp.web.i18n import say

STATES: Mapping[str, str] = {
    "down": N_("Down"),
    "reauth": N_("Needs sign-in"),
    "degraded": N_("Degraded"),
    "network": N_("Nearly nothing can be reached"),
    "fallback": N_("Another service stands in"),
}
KINDS: Mapping[str, str] = {
    "email": N_("Email through a route"),
    "sms": N_("Text message through a route"),
    "http": N_("HTTP request through a route"),
    "webhook": N_("Webhook"),
}
STATUSES: Mapping[str, str] = {
    "waiting": N_("Waiting"),
    "sent": N_("Delivered"),
    "stuck": N_("Nobody could be reached, tried again"),
    "failed": N_("Not delivered"),
    "dropped": N_("Not needed any more"),
}
MESSAGES: Mapping[str, str] = {
    "problem": N_("Problem"),
    "recovery": N_("Recovery"),
    "reminder": N_("Reminder"),
    "fallback": N_("Stand-in"),
    "test": N_("Test"),
}
PILLS = {"waiting": "waiting", "sent": "ok", "stuck": "failed", "failed": "failed", "dropped": "skipped"}
_MINUTE, _HOUR = 60, 3600


def sentence(rule: AlertRule, services: Mapping[str, str], channels: Mapping[str, str]) -> str:
    """A rule as one would say it."""
    whom = " → ".join(channels.get(id_, "?") for id_ in rule.channels)
    what = ", ".join(say(STATES[state]) for state in rule.states if state in STATES)
    which = ", ".join(services.get(id_, "?") for id_ in rule.services) or gettext("any service")
    text = (
        N_("When %(which)s is in one of these states for %(after)s (%(what)s), tell %(whom)s.")
        if rule.after_s
        else N_("As soon as %(which)s is in one of these states (%(what)s), tell %(whom)s.")
    )
    parts = [say(Message.of(text, which=which, what=what, whom=whom, after=duration(rule.after_s)))]
    if rule.remind_every_s:
        parts.append(
            gettext(
                "Remind every %(time)s until somebody looks after it.", time=duration(rule.remind_every_s)
            )
        )
    if rule.digest_s:
        parts.append(gettext("Gather for %(time)s and tell once.", time=duration(rule.digest_s)))
    if rule.quiet_from:
        values = {"start": rule.quiet_from, "end": rule.quiet_to, "zone": rule.time_zone}
        parts.append(gettext("Quiet from %(start)s to %(end)s (%(zone)s).", **values))
    return " ".join(parts)


def duration(seconds: int) -> str:
    """A number of seconds as people say it."""
    if seconds and seconds % _HOUR == 0:
        return str(ngettext("%(num)s hour", "%(num)s hours", seconds // _HOUR))
    if seconds and seconds % _MINUTE == 0:
        return str(ngettext("%(num)s minute", "%(num)s minutes", seconds // _MINUTE))
    return str(ngettext("%(num)s second", "%(num)s seconds", seconds))


def rule_values(form: MultiDict[str, str], known: Sequence[str]) -> dict[str, Any]:
    """What the form of a rule says; times are given in minutes. What is no number stays text and is refused."""
    order = [id_ for id_ in (form.get(f"channel-{place}", "") for place in range(1, 6)) if id_]
    return {
        "name": form.get("name", "").strip(),
        "is_enabled": form.get("is_enabled") == "1",
        "services": [id_ for id_ in form.getlist("services") if id_ in known],
        "states": form.getlist("states"),
        "after_s": _minutes(form.get("after", "")) or 0,
        "channels": list(dict.fromkeys(order)),
        "remind_every_s": _minutes(form.get("remind", "")),
        "digest_s": _minutes(form.get("digest", "")),
        "quiet_from": form.get("quiet_from", "").strip() or None,
        "quiet_to": form.get("quiet_to", "").strip() or None,
        "time_zone": form.get("time_zone", "").strip() or "UTC",
    }


def rule_form(rule: AlertRule | None) -> dict[str, Any]:
    """What the form of a rule shows at first."""
    if rule is None:
        return {
            "is_enabled": True,
            "states": ["down", "reauth", "network"],
            "time_zone": "UTC",
            "services": [],
            "channels": [],
        }
    return {
        "name": rule.name, "is_enabled": rule.is_enabled, "services": rule.services, "states": rule.states,
        "after": _shown(rule.after_s), "channels": rule.channels, "remind": _shown(rule.remind_every_s),
        "digest": _shown(rule.digest_s), "quiet_from": rule.quiet_from, "quiet_to": rule.quiet_to,
        "time_zone": rule.time_zone,
    }  # fmt: skip


def channel_values(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form of a channel says."""
    kind = form.get("kind", "")
    given = {name: form.get(name, "").strip() for name in ("name", "route", "path", "template", "url")}
    return {
        "name": given["name"],
        "kind": kind,
        "locale": form.get("locale") or "en",
        "recipients": [line.strip() for line in form.get("recipients", "").splitlines() if line.strip()],
        **({"route": given["route"] or None, "path": given["path"] or "/"} if kind != "webhook" else {}),
        **({"template": given["template"]} if kind == "sms" else {}),
        **({"url": given["url"]} if kind == "webhook" and given["url"] else {}),
    }


def _minutes(text: str) -> int | str | None:
    given = text.strip().replace(",", ".")
    if not given:
        return None
    try:
        return round(float(given) * 60)
    except (ValueError, OverflowError):
        return given


def _shown(seconds: int | None) -> str:
    return f"{seconds / 60:g}" if seconds else ""
