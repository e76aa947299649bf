"""The revision a form was made from, so that nobody overwrites what somebody else saved meanwhile."""

from __future__ import annotations

from flask import request


def seen_revision() -> int | None:
    """What the form, or the address it was sent to, says; None when it says nothing that is a revision."""
    return request.values.get("revision", type=int)
