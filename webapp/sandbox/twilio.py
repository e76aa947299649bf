"""A pretend Twilio: one account, and sending SMS."""

from __future__ import annotations

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.sandbox.credentials import TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN
from webapp.sandbox.knobs import behaves
from webapp.sandbox.outbox import outbox

bp = Blueprint("twilio", __name__, url_prefix="/2010-04-01/Accounts")

WORDS = {401: (20003, "Authenticate"), 404: (20404, "Not found"), 429: (20429, "Too Many Requests")}


def refuse(status: int, code: int | None = None, message: str | None = None) -> ResponseReturnValue:
    """Answer an error in Twilio's shape."""
    usual_code, usual_message = WORDS.get(status, (20500, "Internal server error"))
    body = {
        "code": code or usual_code,
        "message": message or usual_message,
        "status": status,
        "more_info": "",
    }
    return body, status, {"Retry-After": "1"} if status in {429, 503} else {}


@bp.get("/<sid>.json")
@behaves("twilio", refuse)
def account(sid: str) -> ResponseReturnValue:
    """Describe the account; the real one answers with the token in it, and so does this."""
    return _signed_in(sid) or jsonify(
        {"sid": sid, "status": "active", "type": "Trial", "auth_token": TWILIO_AUTH_TOKEN}
    )


@bp.post("/<sid>/Messages.json")
@behaves("twilio", refuse)
def send(sid: str) -> ResponseReturnValue:
    """Accept a message, or say what is wrong with it."""
    if refusal := _signed_in(sid):
        return refusal
    to, body = request.form.get("To", ""), request.form.get("Body", "")
    if not to.startswith("+") or not to[1:].isdigit():
        return refuse(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    kept = outbox().add("twilio", to, body, sender=request.form.get("From"))
    segments = str(len(body) // 153 + 1)
    return {"sid": f"SM{kept.id}", "status": "queued", "num_segments": segments, "error_code": None}, 201


def _signed_in(sid: str) -> ResponseReturnValue | None:
    given = request.authorization
    if sid == TWILIO_ACCOUNT_SID and given and (given.username, given.password) == (sid, TWILIO_AUTH_TOKEN):
        return None
    return refuse(401)
