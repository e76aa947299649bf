"""A little traffic: the calls a small shop would make, a few of them wrong."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from contextlib import suppress

from webapp.demo.samples import ROUTE
from webapp.engine.problems import PatchbayError
from webapp.runtime import Runtime

FIRST_BURST = 40
PAUSE_S = 4.0

SCENES: list[tuple[str, str, list[str], Mapping[str, object]]] = [
    (
        "signup.welcome_mail",
        "email.send",
        [ROUTE],
        {"to": "user{n}@example.com", "subject": "Welcome!", "text": "Hello…"},
    ),
    (
        "signup.verification_code",
        "sms.send",
        ["SMS_PROVIDER_ALIYUN"],
        {"to": "139000{n:05d}", "template_params": {"code": "{n}"}},
    ),
    (
        "order.shipped",
        "sms.send",
        ["SMS_PROVIDER_TWILIO"],
        {"to": "+1500555{n:04d}", "text": "Your parcel is on its way."},
    ),
    (
        "order.created",
        "http.request",
        ["HTTP_PROVIDER_GENERIC"],
        {"method": "POST", "path": "/orders", "json": {"order": "{n}", "total": "42.00"}},
    ),
    ("report.nightly", "http.request", ["HTTP_PROVIDER_GENERIC"], {"method": "GET", "path": "/status/500"}),
    (
        "order.refund_notice",
        "sms.send",
        ["SMS_PROVIDER_TWILIO"],
        {"to": "+0", "text": "A number that cannot be."},
    ),
]
WEIGHTS = [6, 6, 4, 5, 1, 1]


def run(runtime: Runtime, stop: threading.Event) -> None:
    """Make a burst of calls, then one every few seconds, until stopped."""
    dice = random.Random(7)  # noqa: S311 - sample data, not a secret
    for number in range(1, 1_000_000):
        if stop.wait(0 if number <= FIRST_BURST else PAUSE_S):
            return
        point, operation, prefer, params = dice.choices(SCENES, WEIGHTS)[0]
        with suppress(PatchbayError):
            runtime.hub.call(operation, _filled(params, number), prefer=prefer, point=point, caller="demo")


def _filled(params: Mapping[str, object], number: int) -> dict[str, object]:
    def fill(value: object) -> object:
        if isinstance(value, str) and "{n" in value:
            return value.format(n=number % 10_000)
        return {key: fill(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value

    return {key: fill(value) for key, value in params.items()}
