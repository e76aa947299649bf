"""What a visitor's browser carries: a small signed cookie, so that a stranger cannot fill our database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer

LIFETIME = timedelta(hours=12)


def read(text: str | None) -> dict[str, Any]:
    """Return what a cookie carries; nothing when it is not ours or too old."""
    if not text:
        return {}
    try:
        data = _signer().loads(text, max_age=int(LIFETIME.total_seconds()))
    except BadData:
        return {}
    return data if isinstance(data, dict) else {}


def write(data: dict[str, Any]) -> str:
    """Return the cookie that carries this."""
    text = _signer().dumps(data)
    return text.decode() if isinstance(text, bytes) else text


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="patchbay-visitor")
