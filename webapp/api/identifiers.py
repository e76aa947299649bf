"""Identifiers of calls and attempts: numbers of 63 bits, written as strings."""

from __future__ import annotations

MAX_DIGITS = 19


def number(text: str) -> int | None:
    """The number, or None for what cannot be an identifier."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        return None
    return int(text) if int(text) < 2**63 else None
