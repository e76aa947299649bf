"""The differences between two revisions in the reader's words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext

from adapters.kit import FieldSpec, N_
from webapp.registry.compare import FieldChange
from webapp.web.service_history import MEMBERS

# Members below a member, by their own names.
_BELOW = {
    "max_attempts": N_("Tries in all"),
    "base_ms": N_("First wait"),
    "max_ms": N_("Longest wait"),
    "per_second": N_("Calls a second"),
    "burst": N_("Calls that may start at once"),
    "is_enabled": N_("Enabled"),
    "service_type": N_("Service type"),
    "contract": N_("Contract"),
    "members": N_("Services in order"),
}

# Times are stored in milliseconds or seconds, and shown in seconds.
_UNITS = {"default_timeout_ms": 1000, "base_ms": 1000, "max_ms": 1000, "health_interval_s": 1}

FATES = {
    "stays": N_("stays as it is"),
    "returns": N_("the value of that time returns"),
    "kept": N_("the value of that time was wiped; the one in use stays"),
    "reenter": N_("has to be entered again"),
    "cleared": N_("was not set then and is taken out"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a comparison: what, how it changed, and both values as text."""

    label: str
    change: str
    old: str
    new: str
    secret: bool


def lines(changes: Iterable[FieldChange], specs: Sequence[FieldSpec]) -> list[Line]:
    """Settings by their labels, values as the form shows them."""
    known = {spec.name: spec for spec in specs}
    return [_line(change, known) for change in changes]


def label_of(name: str, specs: Mapping[str, FieldSpec]) -> str:
    """What people call a setting or a member of a service."""
    if name in specs:
        return str(gettext(specs[name].label))
    text = MEMBERS.get(name) or _BELOW.get(name)
    return str(gettext(text)) if text else name


def _line(change: FieldChange, specs: Mapping[str, FieldSpec]) -> Line:
    of_settings = change.path[0] in {"configurations", "secrets"}
    spec = specs.get(change.name) if of_settings else None
    own = {change.name: spec} if spec else {}
    below = [
        gettext("item %(number)s", number=step + 1) if isinstance(step, int) else label_of(step, {})
        for step in change.item
    ]
    label = " › ".join([label_of(change.name, own), *below])
    unit = _UNITS.get(str(change.path[-1]))
    return Line(
        label, change.change, _text(change.old, spec, unit), _text(change.new, spec, unit), change.secret
    )


def _text(value: Any, spec: FieldSpec | None, unit: float | None = None) -> str:
    if value is None:
        return ""
    if unit and isinstance(value, int | float):
        return f"{value / unit:g} s"
    if isinstance(value, bool):
        return str(gettext("On") if value else gettext("Off"))
    if spec:
        for choice, label in spec.choices:
            if choice == value:
                return str(gettext(label))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
