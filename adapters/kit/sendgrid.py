"""What SendGrid wants of a list of recipients, and how its email activity is asked for one mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.lookup import Lookup
from adapters.kit.text import N_

ARGUMENT = "patchbay_key"


def everyone_once(**people: tuple[str, ...]) -> dict[str, list[dict[str, str]]]:
    """Name every recipient once: SendGrid refuses a mail in which an address appears twice."""
    named: dict[str, list[dict[str, str]]] = {}
    seen: set[str] = set()
    for kind, addresses in people.items():
        for address in addresses:
            if address.lower() not in seen:
                named.setdefault(kind, []).append({"email": address})
            seen.add(address.lower())
    return named


def question(key: str) -> dict[str, str]:
    """Ask the activity for the mails that carry our number; it holds letters and digits only."""
    return {"limit": "1", "query": f"(unique_args['{ARGUMENT}']=\"{key}\")"}


def judge_activity(answer: Mapping[str, Any]) -> Lookup:
    """Go by whether a mail with our number is listed; that it is not listed yet proves nothing."""
    listed = answer.get("messages")
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, dict):
        return Lookup.unclear(N_("SendGrid does not list this mail so far."))
    return Lookup.done(
        N_("SendGrid lists this mail among those it has taken."), message_id=str(first.get("msg_id") or "")
    )
