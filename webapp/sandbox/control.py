"""The sandbox's own page and JSON: what arrived, and the knobs."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.sandbox import credentials
from webapp.sandbox.knobs import FAILURES, MOMENTS, VENDORS, KnobInvalid, panel
from webapp.sandbox.outbox import outbox

bp = Blueprint("control", __name__)

CREDENTIALS = {
    "SendGrid": {"api_key": credentials.SENDGRID_API_KEY},
    "Twilio": {"account_sid": credentials.TWILIO_ACCOUNT_SID, "auth_token": credentials.TWILIO_AUTH_TOKEN},
    "Aliyun SMS": {
        "accessKeyId": credentials.ALIYUN_ACCESS_KEY_ID,
        "accessKeySecret": credentials.ALIYUN_ACCESS_KEY_SECRET,
        "signName": credentials.ALIYUN_SIGN,
        "templateCode": credentials.ALIYUN_TEMPLATE,
    },
}


@bp.get("/")
def index() -> ResponseReturnValue:
    """Show credentials, knobs and what arrived."""
    return render_template(
        "sandbox/index.html",
        base_url=request.host_url.rstrip("/"),
        credentials=CREDENTIALS,
        knobs=panel().knobs,
        failures=FAILURES,
        moments=MOMENTS,
        deliveries=outbox().all()[:100],
        problem=request.args.get("problem"),
    )


@bp.post("/_sandbox/<any(sendgrid, twilio, aliyun, http):vendor>")
def turn_form(vendor: str) -> ResponseReturnValue:
    """Turn a vendor's knobs from the page."""
    try:
        panel().turn(vendor, request.form.to_dict())
    except KnobInvalid as invalid:
        return redirect(url_for(".index", problem=str(invalid)), 303)
    return redirect(url_for(".index"), 303)


@bp.get("/_sandbox/knobs")
def knobs() -> ResponseReturnValue:
    """Return every vendor's knobs."""
    return panel().to_dict()


@bp.put("/_sandbox/knobs/<vendor>")
def turn(vendor: str) -> ResponseReturnValue:
    """Turn some of a vendor's knobs; the body is a JSON object."""
    values = request.get_json(silent=True)
    if vendor not in VENDORS:
        return {"error": f"There is no vendor {vendor}; there are {', '.join(VENDORS)}."}, 404
    if not isinstance(values, dict):
        return {"error": "The body must be a JSON object of knobs."}, 400
    try:
        panel().turn(vendor, values)
    except KnobInvalid as invalid:
        return {"error": str(invalid)}, 422
    return panel().to_dict()[vendor]


@bp.get("/_sandbox/deliveries")
def deliveries() -> ResponseReturnValue:
    """Return what arrived, newest first."""
    return {"items": [delivery.to_dict() for delivery in outbox().all()]}


@bp.route("/_sandbox/deliveries", methods=["DELETE"])
def clear() -> ResponseReturnValue:
    """Forget what arrived."""
    outbox().clear()
    return "", 204


@bp.post("/_sandbox/clear")
def clear_form() -> ResponseReturnValue:
    """Forget what arrived, from the page."""
    outbox().clear()
    return redirect(url_for(".index"), 303)
