"""Knobs: how each pretend vendor behaves, changed while it runs."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import wraps
from typing import Any, ParamSpec

from flask import current_app, request
from flask.typing import ResponseReturnValue

VENDORS = ("sendgrid", "twilio", "aliyun", "http")
FAILURES = ("none", "unauthorized", "rate_limited", "server_error", "unavailable", "garbage", "drop", "hang")
MOMENTS = ("before", "after")
HANG_SECONDS = 30.0

P = ParamSpec("P")


class KnobInvalid(ValueError):
    """A knob was given a value it cannot take; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """One vendor's behaviour.

    `latency_ms` is added to every answer; `failure` happens to `failure_percent` of the requests; more than
    `limit_per_minute` requests in any minute are answered 429 (0 means no limit). `when` says whether a failure strikes before the
    vendor did what it was asked for or after it, which must never lead to doing it twice.
    """

    latency_ms: int = 0
    failure: str = "none"
    failure_percent: int = 100
    limit_per_minute: int = 0
    when: str = "before"

    def turned(self, values: Mapping[str, Any]) -> Knobs:
        """Return these knobs with some of them turned, or raise `KnobInvalid`."""
        unknown = set(values) - {known.name for known in fields(self)}
        if unknown:
            raise KnobInvalid(f"There is no knob called {min(unknown)}.")
        if values.get("failure", "none") not in FAILURES:
            raise KnobInvalid(f"failure is one of {', '.join(FAILURES)}.")
        if values.get("when", "before") not in MOMENTS:
            raise KnobInvalid(f"when is one of {', '.join(MOMENTS)}.")
        limits = {"latency_ms": 60_000, "failure_percent": 100, "limit_per_minute": 1_000_000}
        numbers = {name: _whole(name, values[name], limits[name]) for name in limits if name in values}
        return replace(self, **{**values, **numbers})


@dataclass(slots=True)
class Panel:
    """All vendors' knobs, and the requests of the last minute that the limits count."""

    knobs: dict[str, Knobs] = field(default_factory=lambda: {vendor: Knobs() for vendor in VENDORS})
    seen: dict[str, deque[float]] = field(default_factory=lambda: {vendor: deque() for vendor in VENDORS})
    lock: threading.Lock = field(default_factory=threading.Lock)

    def turn(self, vendor: str, values: Mapping[str, Any]) -> Knobs:
        """Turn a vendor's knobs and return them."""
        with self.lock:
            self.knobs[vendor] = self.knobs[vendor].turned(values)
            return self.knobs[vendor]

    def over_limit(self, vendor: str) -> bool:
        """Count this request and say whether it is one too many for the last minute."""
        limit, now = self.knobs[vendor].limit_per_minute, time.monotonic()
        with self.lock:
            recent = self.seen[vendor]
            while recent and recent[0] < now - 60:
                recent.popleft()
            if limit and len(recent) >= limit:
                return True
            recent.append(now)
            return False

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return every vendor's knobs as plain data."""
        return {vendor: asdict(knobs) for vendor, knobs in self.knobs.items()}


def panel() -> Panel:
    """Return the running sandbox's panel."""
    found: Panel = current_app.extensions["sandbox_panel"]
    return found


def behaves(
    vendor: str, refusal: Callable[[int], ResponseReturnValue]
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Decorate a vendor's view so that its knobs come first; `refusal` words an error status as that vendor does."""

    def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def turned(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            knobs = panel().knobs[vendor]
            time.sleep(knobs.latency_ms / 1000)
            if panel().over_limit(vendor):
                return refusal(429)
            fails = knobs.failure != "none" and random.uniform(0, 100) < knobs.failure_percent  # noqa: S311 - a dice, no secret
            answer = None if fails and knobs.when == "before" else view(*args, **kwargs)
            return answer if answer is not None and not fails else _fail(knobs.failure, refusal)

        return turned

    return decorate


def _fail(failure: str, refusal: Callable[[int], ResponseReturnValue]) -> ResponseReturnValue:
    statuses = {"unauthorized": 401, "rate_limited": 429, "server_error": 500, "unavailable": 503}
    if failure in statuses:
        return refusal(statuses[failure])
    if failure == "garbage":
        return "<html><body>It works!</body></html>", 200, {"Content-Type": "text/html"}
    if failure == "hang":
        time.sleep(HANG_SECONDS)
    connection = request.environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(2)
    return "", 500


def _whole(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not str(value).isdigit() or int(value) > most:
        raise KnobInvalid(f"{name} is a whole number from 0 to {most}.")
    return int(value)
