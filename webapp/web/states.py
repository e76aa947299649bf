"""One vocabulary of states: the word, the tone and the outline of each, wherever it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.kit import N_


@dataclass(frozen=True, slots=True)
class State:
    """How a state looks; colour never speaks alone, each tone comes with an outline and a word."""

    label: str
    tone: str
    icon: str


STATES: dict[str, State] = {
    # of a service
    "healthy": State(N_("Healthy"), "ok", "tick"),
    "degraded": State(N_("Degraded"), "warn", "triangle"),
    "pending": State(N_("Checking"), "warn", "ring"),
    "down": State(N_("Down"), "bad", "octagon"),
    "reauth": State(N_("Needs sign-in"), "bad", "key"),
    "late": State(N_("Check overdue"), "late", "clock"),
    "unknown": State(N_("Not checked"), "off", "dashed"),
    "disabled": State(N_("Disabled"), "off", "bar"),
    "enabled": State(N_("Enabled"), "ok", "tick"),
    "maintenance": State(N_("Maintenance"), "info", "square"),
    "network": State(N_("Unreachable"), "bad", "octagon"),  # nearly everything at once
    "broken": State(N_("Adapter unavailable"), "bad", "octagon"),
    "sandbox": State(N_("Sandbox"), "info", "square"),
    # of a call
    "call-succeeded": State(N_("Succeeded"), "ok", "tick"),
    "call-failed": State(N_("Failed"), "bad", "octagon"),
    "call-unknown": State(N_("Outcome unknown"), "warn", "question"),
    "call-pending": State(N_("In progress"), "info", "ring"),
    # of a candidate in what a call would do now
    "explain-first": State(N_("Tried first"), "ok", "tick"),
    "explain-next": State(N_("Takes over"), "info", "arrow"),
    "explain-skipped": State(N_("Skipped"), "off", "bar"),
    "explain-beyond": State(N_("Not reached"), "off", "dashed"),
    # of a call on the reconcile list
    "reconcile-waiting": State(N_("The service is asked"), "info", "ring"),
    "reconcile-needs_attention": State(N_("Needs attention"), "warn", "question"),
    "reconcile-succeeded": State(N_("Succeeded"), "ok", "tick"),
    "reconcile-failed": State(N_("Failed"), "bad", "octagon"),
    "reconcile-resent": State(N_("Sent once more"), "off", "arrow"),
    # of the breaker in front of a service
    "gate-closed": State(N_("Calls pass"), "ok", "tick"),
    "gate-half_open": State(N_("Being tried again"), "warn", "ring"),
    "gate-open": State(N_("Left alone"), "bad", "octagon"),
    "gate-forced_open": State(N_("Taken out of use"), "off", "bar"),
    "gate-forced_closed": State(N_("Always tried"), "info", "square"),
    # of an entry of a file of configuration
    "file-create": State(N_("Added"), "ok", "plus"),
    "file-update": State(N_("Changed"), "info", "arrow"),
    "file-same": State(N_("Unchanged"), "off", "bar"),
    "file-conflict": State(N_("Changed elsewhere"), "warn", "triangle"),
    "file-refused": State(N_("Not possible yet"), "bad", "octagon"),
    # of a stage of a connection test
    "ok": State(N_("Passed"), "ok", "tick"),
    "warning": State(N_("Warning"), "warn", "triangle"),
    "failed": State(N_("Failed"), "bad", "octagon"),
    "skipped": State(N_("Skipped"), "off", "bar"),
    "running": State(N_("Running"), "info", "ring"),
    "waiting": State(N_("Waiting"), "off", "dashed"),
    # of a whole connection test
    "verified": State(N_("Verified"), "ok", "tick"),
    "limited": State(N_("Verified with limits"), "warn", "triangle"),
    "unverifiable": State(N_("Cannot be tested"), "off", "dashed"),
    "rejected": State(N_("Credentials refused"), "bad", "key"),
    # of a secret
    "configured": State(N_("Configured"), "ok", "lock"),
    "missing": State(N_("Not set"), "off", "dashed"),
    # of a key, and of a job over keys
    "key-primary": State(N_("In use"), "ok", "tick"),
    "key-decrypt": State(N_("Opens only"), "info", "lock"),
    "key-retired": State(N_("Retired"), "off", "bar"),
    "key-destroyed": State(N_("Destroyed"), "off", "dashed"),
    "job-waiting": State(N_("Waiting"), "off", "dashed"),
    "job-running": State(N_("Running"), "info", "ring"),
    "job-done": State(N_("Done"), "ok", "tick"),
    "job-failed": State(N_("Failed"), "bad", "octagon"),
    # of a difference between revisions
    "diff-added": State(N_("Added"), "ok", "plus"),
    "diff-removed": State(N_("Removed"), "warn", "bar"),
    "diff-changed": State(N_("Changed"), "info", "arrow"),
    "diff-unchanged": State(N_("Unchanged"), "off", "dashed"),
    # of what ends
    "ends-soon": State(N_("Ends soon"), "warn", "clock"),
    "ends-later": State(N_("Later"), "off", "clock"),
    # of a user or token
    "active": State(N_("Active"), "ok", "tick"),
    "expired": State(N_("Expired"), "bad", "clock"),
    "revoked": State(N_("Revoked"), "off", "bar"),
}

STAGES: dict[str, str] = {
    "settings": N_("Settings"),
    "dns": N_("Name lookup"),
    "tcp": N_("Connection"),
    "tls": N_("Encryption"),
    "authentication": N_("Authentication"),
    "permission": N_("Permission"),
    "quota": N_("Quota"),
    "sender": N_("Sender"),
    "template": N_("Template"),
    "sign": N_("Signature"),
    "request": N_("Request"),
}


def state_of(name: object) -> State:
    """The look of a state; a word we do not know is shown as it is, neutrally."""
    return STATES.get(str(name)) or State(str(name), "off", "dashed")


def stage_label(name: str) -> str:
    """The msgid of a stage's name."""
    return STAGES.get(name, name)
