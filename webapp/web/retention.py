"""The Retention page: what is kept, how large it is, whether the clean-up keeps up, and what a change would free."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request
from flask_babel import format_decimal

from webapp.accounts.roles import Verb
from webapp.config import Config
from webapp.extensions import runtime
from webapp.log.retention import Kept
from webapp.monitor import retention
from webapp.monitor.kept import inventory, start_of
from webapp.web.access import requires
from webapp.web.page import page

blueprint = Blueprint("retention", __name__, url_prefix="/settings/system/retention")
# What can be tried out: the parameter, its setting, its largest value.
TRIED = {
    "bodies": ("log_body_retention_days", 3650),
    "attempts": ("log_retention_days", 3650),
    "most_mb": ("log_max_mb", 10**8),
}
_UNITS = ("B", "KB", "MB", "GB", "TB")
_STEP = 1024
DAYS_SHOWN = 60


@blueprint.get("")
@requires(Verb.SYSTEM_READ)
def index() -> Response:
    """Show it; the values of the form are only tried out, the settings come from the environment."""
    live, log = runtime(), runtime().log
    days, tried = log.sizes(), _tried(live.config)
    return page(
        "system/retention.html",
        "tried",
        kinds=inventory(live, days),
        days=days[:DAYS_SHOWN],
        start_of=start_of,
        size=size,
        config=live.config,
        overdue=log.freed(retention.kept(live.config)),
        tried=tried,
        freed=log.freed(_kept(tried)),
        **_waiting(),
    )


def _waiting() -> dict[str, Any]:
    """What the journals hold, and for how long."""
    live = runtime()
    return {"journal": live.recorder.backlog(), "lag_s": live.ledger.lag_s(live.clock.now())}


def size(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return "–"
    value, unit = float(count), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{format_decimal(round(value, 1 if value < 10 and unit else 0))} {_UNITS[unit]}"  # noqa: PLR2004


def _tried(config: Config) -> dict[str, Any]:
    """What to try; a value that makes no sense is the one that is set."""
    found: dict[str, Any] = {}
    for name, (setting, most) in TRIED.items():
        text = request.args.get(name, "").strip()
        sensible = text.isascii() and text.isdigit() and int(text[:12]) <= most
        found[name] = int(text[:12]) if sensible else getattr(config, setting)
    return found


def _kept(tried: dict[str, Any]) -> Kept:
    return Kept(
        timedelta(days=tried["bodies"]),
        timedelta(days=max(1, tried["attempts"])),
        tried["most_mb"] * _STEP * _STEP,
    )
