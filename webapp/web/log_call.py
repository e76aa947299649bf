"""One call as the pages draw it: its attempts on a time line, what was sent and received, and ways to take it along."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext, ngettext
from markupsafe import Markup, escape

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.engine import trace
from webapp.engine.codes import CODES
from webapp.extensions import runtime
from webapp.log.entries import Bodies, CallEntry, LogEntry
from webapp.web.access import may
from webapp.web.i18n import say

MASK = "***"
_LEFT_OUT = re.compile(r"… \d+ characters left out …")
_REDACTED = re.compile(r"\*\*\*|&lt;redaction failed&gt;")
_NOT_FOR_A_SHELL = frozenset(("host", "content-length", "connection", "accept-encoding", "transfer-encoding"))


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt of a call, as drawn: where it starts and how long it is in percent of the call."""

    entry: LogEntry
    start: float
    width: float
    wait_ms: int
    bodies: Bodies | None
    error: str

    @property
    def curl(self) -> str:
        """The request as a command for a shell; what was redacted becomes a variable."""
        return curl(self.entry, self.bodies)

    @property
    def json(self) -> str:
        """The attempt as the API shows it, without what was sent and received."""
        return json.dumps(self.entry.to_dict(), ensure_ascii=False, indent=2)


def context(call: CallEntry) -> dict[str, Any]:
    """What the templates of a call need."""
    return {
        "call": call,
        "steps": steps(call),
        "problem": CODES.get(call.code) if call.code else None,
        "decision": decision,
        "headers_text": headers_text,
        "pretty": pretty,
        "marked": marked,
        "taken_out": taken_out,
        "is_http": is_http,
        "payloads": may(Verb.LOG_READ_PAYLOAD),
        "trace_steps": trace.names(call.trace or ""),
        "permalink": url_for("logs.show", call_id=call.call_id, _external=True),
    }


def steps(call: CallEntry) -> list[Step]:
    """Place the attempts on the call's time line; a call without a measured length counts as 1 ms."""
    whole = max(call.duration_ms or 0, 1)
    readable = may(Verb.LOG_READ_PAYLOAD)
    reasons = {str(reason): reason for reason in map(_reason, call.candidates or []) if reason}
    found: list[Step] = []
    ended = 0.0
    for entry in call.attempts:
        offset = (entry.request_timestamp - call.created_at).total_seconds() * 1000
        start = min(max(offset / whole * 100, 0), 99)
        width = min(max((entry.duration_ms or 0) / whole * 100, 1), 100 - start)
        bodies = runtime().log.bodies(entry.log_id) if readable else None
        # An attempt keeps its error in English only; the candidate it belongs to keeps the values apart.
        error = say(reasons.get(entry.error_message or "", entry.error_message))
        wait = max(round(offset - ended), 0) if found else 0
        found.append(Step(entry, start, width, wait, bodies, error))
        ended = offset + (entry.duration_ms or 0)
    return found


def decision(candidate: Mapping[str, object]) -> str:
    """What became of a candidate, in one sentence."""
    return say(_reason(candidate) or Message(N_("Used")))


def _reason(candidate: Mapping[str, object]) -> Message | None:
    reason = candidate.get("message") or candidate.get("reason")
    if isinstance(reason, Mapping):
        return Message(str(reason["msgid"]), dict(reason.get("values") or {}))
    return Message(str(reason)) if reason else None


def headers_text(headers: Mapping[str, str]) -> str:
    """Headers, one a line."""
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def pretty(text: str) -> str:
    """A JSON body with a line for each member; every other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def marked(text: str) -> Markup:
    """A text with a mark wherever something was taken out before it was stored."""
    redacted, left_out = (
        say(N_("Removed before it was stored")),
        say(N_("Too long: cut before it was stored")),
    )
    hidden = Markup('<mark class="redacted" title="{}">{{}}</mark>').format(redacted)
    cut = Markup('<mark class="left-out" title="{}">{{}}</mark>').format(left_out)
    shown = _REDACTED.sub(lambda found: hidden.format(Markup(found[0])), str(escape(text)))  # noqa: S704
    return Markup(_LEFT_OUT.sub(lambda found: cut.format(found[0]), shown))  # noqa: S704


def taken_out(text: str) -> list[tuple[str, str]]:
    """What is missing in a body, each kind with its style and in words."""
    hidden = len(_REDACTED.findall(str(escape(text))))
    cut = _LEFT_OUT.search(text)
    told = (
        [("redacted", ngettext("%(num)s value removed", "%(num)s values removed", hidden))] if hidden else []
    )
    return told + ([("left-out", gettext("Cut: it was longer"))] if cut else [])


def curl(entry: LogEntry, bodies: Bodies | None) -> str:
    """A command that asks the same; every header that was redacted is a variable of the shell, never a value."""
    method, _, url = (entry.request_endpoint or "").partition(" ")
    parts = ["curl", "-X", method, shlex.quote(url)]
    for name, value in ((bodies.request_headers if bodies else None) or {}).items():
        if name.lower() not in _NOT_FOR_A_SHELL:
            parts += ["\\\n  -H", _header(name, value)]
    if bodies and bodies.request_payload:
        parts += ["\\\n  --data-raw", shlex.quote(bodies.request_payload)]
    return " ".join(parts)


def _header(name: str, value: str) -> str:
    if MASK not in value:
        return shlex.quote(f"{name}: {value}")
    variable = re.sub(r"\W", "_", name, flags=re.ASCII).upper()
    before, _, after = value.partition(MASK)
    return f'{shlex.quote(f"{name}: {before}")}"${{{variable}}}"{shlex.quote(after) if after else ""}'


def is_http(entry: LogEntry) -> bool:
    """Whether an attempt was a request that a shell could make."""
    method, _, url = (entry.request_endpoint or "").partition(" ")
    return (
        method.isascii() and method.isalpha() and method.isupper() and url.startswith(("http://", "https://"))
    )
