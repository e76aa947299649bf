"""What a drill does to the first service of a route, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.kit import N_


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of failure.

    `knobs` turn the pretend vendor, `dies` stops it; `opens` says whether the breaker has to open after enough calls.
    Failures that leave a doubt strike after the vendor did its work: that is when sending again would do harm.
    """

    key: str
    label: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    dies: bool = False
    opens: bool = True
    good_before: int = 0


SCENARIOS = (
    Scenario("closed_port", N_("The port is closed"), dies=True),
    Scenario("refused_key", N_("The key is refused"), {"failure": "unauthorized"}, opens=False),
    Scenario("rate_limited", N_("Too many requests (429, come back in a second)"), {"failure": "rate_limited"}, opens=False),
    Scenario("server_error", N_("Done, then an error (500)"), {"failure": "server_error", "when": "after"}),
    Scenario("unavailable", N_("Not available (503)"), {"failure": "unavailable"}),
    Scenario("hang", N_("Done, then no answer until the time is up"), {"failure": "hang", "when": "after"}),
    Scenario("drop", N_("Done, then the connection is cut"), {"failure": "drop", "when": "after"}),
    Scenario("garbage", N_("Done, then an answer nobody understands"), {"failure": "garbage", "when": "after"}),
    Scenario("slow", N_("Slow, but in time"), {"latency_ms": 250}, opens=False),
    Scenario("returns", N_("The vendor dies in the middle and returns"), dies=True, good_before=5),
)  # fmt: skip


def params_for(contract: str, token: str) -> tuple[str, dict[str, Any]]:
    """The operation of a drill's call and its parameters; the pretend vendor finds `token` in the recipient."""
    calls: Mapping[str, tuple[str, dict[str, Any]]] = {
        "EMAIL_SERVICE": ("email.send", {"to": [f"drill-{token}@example.com"], "subject": "Drill", "text": "Drill"}),
        "SMS_SERVICE": ("sms.send", {"to": f"+86139{token}", "text": "Drill", "template_params": {"code": "0000"}}),
        "HTTP_SERVICE": ("http.request", {"method": "POST", "path": f"/drill/{token}", "json": {"drill": token}}),
    }  # fmt: skip
    return calls[contract]
