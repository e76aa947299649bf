"""The fields every service has, whatever its adapter: name, description, timeout, retries, rate limit, checks.

People write seconds, the API keeps milliseconds; this module is the only place that turns one into the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from flask_babel import gettext, ngettext
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice

from webapp.registry.fields import HealthPolicy
from webapp.web.durability_field import RECORD_FIELDS, record_values

MOST_ATTEMPTS = 5

# The registry names what it refuses by JSON pointer.
FIELDS = {
    "/service_name": "name",
    "/description": "description",
    "/default_timeout_ms": "timeout",
    "/retry_policy": "longest_wait",
    "/retry_policy/max_attempts": "attempts",
    "/retry_policy/base_ms": "first_wait",
    "/retry_policy/max_ms": "longest_wait",
    "/rate_limit": "rate",
    "/rate_limit/per_second": "rate",
    "/rate_limit/burst": "burst",
    "/quotas": "quota_day",
    "/quotas/calls/day": "quota_day",
    "/quotas/money/month": "quota_cost",
    "/quotas/prices/*": "price",
    "/quotas/at_once": "at_once",
    "/durability": "durability",
    "/keep_inputs": "keep_inputs",
    "/health_interval_s": "health_interval",
    "/health_check_endpoint": "health_endpoint",
    "/health_policy": "down_after",
    "/health_policy/down_after": "down_after",
    "/health_policy/window": "window",
    "/health_policy/up_after": "up_after",
    "/health_policy/timeout_s": "check_timeout",
    "/health_policy/slow_ms": "slow",
    "/health_policy/allowed_cost": "allowed_cost",
}

SHOWN_IN_SECONDS = frozenset({"timeout", "first_wait", "longest_wait", "slow"})


@dataclass(frozen=True, slots=True)
class Common:
    """One common field: where it stands, its unit and whether it may stay empty."""

    name: str
    section: str
    field: Any
    unit: str = ""
    required: bool = False
    width: str = ""


def common_fields() -> list[Common]:
    """Unbound fields in the order they are shown, labelled in the reader's language."""
    return [
        Common(
            "name",
            "basics",
            StringField(
                gettext("Name"),
                description=gettext("How people and logs call this service. Must be unique."),
                render_kw={"maxlength": 120, "autocomplete": "off"},
            ),
            required=True,
        ),
        Common(
            "description",
            "basics",
            TextAreaField(
                gettext("Description"),
                description=gettext("What it is used for, and whom to ask."),
                render_kw={"maxlength": 2000, "rows": 2},
            ),
        ),
        *_reliability(),
    ]


def _reliability() -> list[Common]:
    seconds = gettext("seconds")
    return [
        _number("timeout", gettext("Give up on one try after"), seconds),
        _number("attempts", gettext("Tries in all"), gettext("tries")),
        _number("first_wait", gettext("Wait before the second try"), seconds),
        _number("longest_wait", gettext("Longest wait between tries"), seconds),
        _number("rate", gettext("Rate limit"), gettext("calls a second")),
        _number("burst", gettext("Calls that may start at once"), gettext("calls")),
        _number("quota_day", gettext("Most calls a day"), gettext("calls")),
        _number("quota_cost", gettext("Highest cost a month"), gettext("in your currency")),
        _number("price", gettext("Price of a call"), gettext("in your currency")),
        _number("at_once", gettext("Calls at the same time, all processes together"), gettext("calls")),
        _number("health_interval", gettext("Check the connection every"), seconds),
        Common(
            "health_endpoint",
            "advanced",
            StringField(
                gettext("Health check address"),
                description=gettext(
                    "A path or an address that the check reads instead of the adapter's own choice."
                ),
                render_kw={"autocomplete": "off", "spellcheck": "false"},
            ),
        ),
        *_thresholds(),
        *(Common(name, "advanced", field()) for name, field in RECORD_FIELDS.items()),
    ]


def _thresholds() -> list[Common]:
    checks, seconds = gettext("checks"), gettext("seconds")
    return [
        _number("down_after", gettext("Down after failed checks"), checks, "advanced"),
        _number("window", gettext("Among the last checks"), checks, "advanced"),
        _number("up_after", gettext("Well again after good checks in a row"), checks, "advanced"),
        _number("check_timeout", gettext("A check may take"), seconds, "advanced"),
        _number("slow", gettext("A check is slow from"), seconds, "advanced"),
        Common(
            "allowed_cost",
            "advanced",
            SelectField(
                gettext("Checks may use up"),
                default="free",
                validate_choice=False,  # the registry refuses what it does not know
                choices=[
                    SelectChoice("free", gettext("Nothing")),
                    SelectChoice("quota", gettext("Quota")),
                    SelectChoice("money", gettext("Money")),
                ],
                description=gettext(
                    "At the vendor. What costs more is left out: only the connection is checked."
                ),
            ),
        ),
    ]


def _number(name: str, label: str, unit: str, section: str = "reliability") -> Common:
    attributes = {"inputmode": "decimal", "autocomplete": "off"}
    return Common(name, section, StringField(label, render_kw=attributes), unit, width="short")


def note_field() -> Any:
    """The unbound field for the reason of a change."""
    return StringField(
        gettext("Why"),
        description=gettext("It stands in the history."),
        render_kw={"maxlength": 500, "autocomplete": "off"},
    )


def initial(service: Any) -> dict[str, str]:
    """What the fields show for a stored service, or for a new one when `service` is None."""
    if service is None:
        return {
            "timeout": "10",
            "durability": "process",
            "attempts": "3",
            "first_wait": "0.2",
            "longest_wait": "5",
            "health_interval": "60",
            **_policy(None),
        }
    retry = service.retry_policy or {}
    limit = service.rate_limit or {}
    return {
        "name": service.service_name,
        "description": service.description or "",
        **record_values(service),
        "timeout": _seconds(service.default_timeout_ms),
        "attempts": _text(retry.get("max_attempts")),
        "first_wait": _seconds(retry.get("base_ms")),
        "longest_wait": _seconds(retry.get("max_ms")),
        "rate": _text(limit.get("per_second")),
        "burst": _text(limit.get("burst")),
        "health_interval": _text(service.health_interval_s),
        "health_endpoint": service.health_check_endpoint or "",
        **_quotas(service.quotas or {}),
        **_policy(service.health_policy),
    }


def _quotas(stored: Mapping[str, Any]) -> dict[str, str]:
    """The quotas most people want; the others are set through the API and stay as they are."""
    return {
        "quota_day": _text((stored.get("calls") or {}).get("day")),
        "quota_cost": _text((stored.get("money") or {}).get("month")),
        "price": _text((stored.get("prices") or {}).get("*")),
        "at_once": _text(stored.get("at_once")),
    }


def _policy(stored: Mapping[str, Any] | None) -> dict[str, str]:
    policy = HealthPolicy(**(stored or {}))
    return {
        "down_after": _text(policy.down_after),
        "window": _text(policy.window),
        "up_after": _text(policy.up_after),
        "check_timeout": _text(policy.timeout_s),
        "slow": _seconds(policy.slow_ms),
        "allowed_cost": policy.allowed_cost,
    }


def api_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields under the API's names and units, None for what was left empty.

    What is not a number stays text: the registry refuses it.
    """
    rate = {"per_second": _given(data["rate"]), "burst": _given(data["burst"])}
    return {
        "service_name": _given(data["name"]),
        "description": _given(data["description"]),
        "default_timeout_ms": _milliseconds(data["timeout"]),
        "durability": _given(data["durability"]),
        "keep_inputs": data["keep_inputs"] == "yes",
        "retry_policy": {
            "max_attempts": _given(data["attempts"]),
            "base_ms": _milliseconds(data["first_wait"]),
            "max_ms": _milliseconds(data["longest_wait"]),
        },
        "rate_limit": rate if any(rate.values()) else None,
        "quotas": {
            "calls": {"day": _given(data["quota_day"])},
            "money": {"month": _given(data["quota_cost"])},
            "prices": {"*": _given(data["price"])},
            "at_once": _given(data["at_once"]),
        },
        "health_interval_s": _given(data["health_interval"]),
        "health_check_endpoint": _given(data["health_endpoint"]),
        "health_policy": {
            "down_after": _given(data["down_after"]),
            "window": _given(data["window"]),
            "up_after": _given(data["up_after"]),
            "timeout_s": _given(data["check_timeout"]),
            "slow_ms": _milliseconds(data["slow"]),
            "allowed_cost": _given(data["allowed_cost"]),
        },
    }


def only_given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what was left empty: a new service gets the defaults there."""
    given = {name: only_given(value) if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in given.items() if value is not None}


def outcome(data: Mapping[str, Any]) -> str | None:
    """In one sentence, what the timeout and the retries mean for a caller; None when they make no sense."""
    try:
        timeout, base, longest = (float(data[name]) for name in ("timeout", "first_wait", "longest_wait"))
        attempts = int(data["attempts"])
        waits = sum(min(longest, base * 2**turn) for turn in range(min(attempts, MOST_ATTEMPTS) - 1))
        total = ceil(attempts * timeout + waits)
    except (TypeError, ValueError, OverflowError):
        return None
    if not 1 <= attempts <= MOST_ATTEMPTS or total < 1:
        return None
    sentence = ngettext(
        "With these values a call gets %(num)s try and fails after %(total)s seconds at the latest.",
        "With these values a call gets up to %(num)s tries and fails after %(total)s seconds at the latest.",
        attempts,
        total=total,
    )
    return str(sentence)


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:g}"


def _given(text: str | None) -> str | None:
    return (text or "").strip() or None


def _milliseconds(text: str | None) -> int | str | None:
    given = _given(text)
    if given is None:
        return None
    try:
        return round(float(given.replace(",", ".")) * 1000)
    except (ValueError, OverflowError):
        return given
