"""A pretend SendGrid v3: the scopes of a key, and sending mail."""

from __future__ import annotations

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.sandbox.credentials import SENDGRID_API_KEY
from webapp.sandbox.knobs import behaves
from webapp.sandbox.outbox import outbox

bp = Blueprint("sendgrid", __name__, url_prefix="/v3")

WORDS = {
    400: "The request body is invalid",
    401: "The provided authorization grant is invalid, expired, or revoked",
    429: "too many requests",
}


def refuse(status: int, field: str | None = None, message: str | None = None) -> ResponseReturnValue:
    """Answer an error in SendGrid's shape."""
    word = message or WORDS.get(status, "internal error")
    headers = {"Retry-After": "1", "X-RateLimit-Remaining": "0"} if status in {429, 503} else {}
    return {"errors": [{"message": word, "field": field, "help": None}]}, status, headers


@bp.get("/scopes")
@behaves("sendgrid", refuse)
def scopes() -> ResponseReturnValue:
    """List what the key may do."""
    return _signed_in() or jsonify({"scopes": ["mail.send", "sender_verification_eligible"]})


@bp.post("/mail/send")
@behaves("sendgrid", refuse)
def send() -> ResponseReturnValue:
    """Accept a message, or say what is wrong with it."""
    if refusal := _signed_in():
        return refusal
    mail = request.get_json(silent=True)
    if not isinstance(mail, dict) or not mail.get("personalizations"):
        return refuse(400, "personalizations", "The personalizations field is required")
    if mail.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
        return "", 200
    to = ", ".join(who["email"] for part in mail["personalizations"] for who in part.get("to", []))
    text = "\n".join(part["value"] for part in mail.get("content", []))
    kept = outbox().add(
        "sendgrid", to, text, subject=mail.get("subject"), sender=mail.get("from", {}).get("email")
    )
    return "", 202, {"X-Message-Id": kept.id}


def _signed_in() -> ResponseReturnValue | None:
    if request.headers.get("Authorization") == f"Bearer {SENDGRID_API_KEY}":
        return None
    return refuse(401)
