"""What each save of a service changed, in words; of secrets only that they changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from flask_babel import gettext

from adapters.kit import FieldSpec, N_
from webapp.models.revision import ServiceRevision

MEMBERS = {
    "service_name": N_("Name"),
    "description": N_("Description"),
    "default_timeout_ms": N_("Time limit"),
    "durability": N_("Safety of the call record"),
    "keep_inputs": N_("Input of calls kept"),
    "retry_policy": N_("Retries"),
    "rate_limit": N_("Rate limit"),
    "quotas": N_("Quotas"),
    "health_check_endpoint": N_("Health check address"),
    "health_interval_s": N_("Check interval"),
    "health_policy": N_("Thresholds of health"),
}

ORIGINS = {
    "ui": N_("in the pages"),
    "api": N_("through the API"),
    "cli": N_("on the command line"),
    "import": N_("by an import"),
    "restore": N_("by going back"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One save: the revision it made and what it did."""

    revision: ServiceRevision
    what: str


def changes(newest_first: Sequence[ServiceRevision], specs: Sequence[FieldSpec]) -> list[Change]:
    """Put saves into words; each is compared with the one before, so the oldest given needs its predecessor too.

    Only the very first save has none; the predecessor of the last one shown is left out by the caller.
    """
    labels = {spec.name: gettext(spec.label) for spec in specs}
    pairs = zip_longest(newest_first, newest_first[1:])
    return [Change(new, _words(new, old, labels)) for new, old in pairs]


def _words(new: ServiceRevision, old: ServiceRevision | None, labels: dict[str, str]) -> str:
    if old is None:
        return str(gettext("Added"))
    was, now = old.snapshot, new.snapshot
    if was.get("is_enabled") != now.get("is_enabled"):
        return str(gettext("Enabled") if now.get("is_enabled") else gettext("Disabled"))
    names = list(
        dict.fromkeys([*_members(was, now), *_settings(was, now, labels), *_secrets(old, new, labels)])
    )
    if not names:
        return str(gettext("Saved without a change"))
    return str(gettext("Changed: %(names)s", names=", ".join(names)))


def _members(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    return (gettext(label) for name, label in MEMBERS.items() if was.get(name) != now.get(name))


def _settings(was: dict[str, Any], now: dict[str, Any], labels: dict[str, str]) -> Iterator[str]:
    before, after = was.get("configurations") or {}, now.get("configurations") or {}
    names = (name for name in {**before, **after} if before.get(name) != after.get(name))
    return (labels.get(name, name) for name in names)


def _secrets(old: ServiceRevision, new: ServiceRevision, labels: dict[str, str]) -> Iterator[str]:
    names = (
        name for name in {**old.secrets, **new.secrets} if old.secrets.get(name) != new.secrets.get(name)
    )
    return (labels.get(name, name) for name in names)
