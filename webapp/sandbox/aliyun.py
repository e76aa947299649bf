"""A pretend Aliyun SMS: verifies the ACS3 signature as the gateway does, then sends or looks up."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import parse_qsl

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from adapters.kit.signing import acs3_authorization, canonical_query
from webapp.sandbox import credentials
from webapp.sandbox.knobs import behaves
from webapp.sandbox.outbox import outbox

bp = Blueprint("aliyun", __name__)

WORDS = {
    401: ("Forbidden.AccessKeyDisabled", "The AccessKey is disabled."),
    404: ("InvalidAction.NotFound", "The specified api is not found."),
    429: ("Throttling.User", "Request was denied due to user flow control."),
    503: ("ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
}


def refuse(status: int, code: str | None = None, message: str | None = None) -> ResponseReturnValue:
    """Answer a gateway error in Aliyun's shape; throttling comes as 400 there."""
    usual_code, usual_message = WORDS.get(status, ("InternalError", "The request processing has failed."))
    body = {"Code": code or usual_code, "Message": message or usual_message, "RequestId": _request_id()}
    return body, 400 if status == 429 else status  # noqa: PLR2004 - HTTP's own number


@bp.post("/")
@behaves("aliyun", refuse)
def gateway() -> ResponseReturnValue:
    """Verify the signature and hand the request to the action it names."""
    if refusal := _signed():
        return refusal
    action = ACTIONS.get(request.headers.get("x-acs-action", ""))
    return action(_parameters()) if action else refuse(404)


def _signed() -> ResponseReturnValue | None:
    given = request.headers.get("Authorization", "")
    parts = dict(part.split("=", 1) for part in given.partition(" ")[2].split(",") if "=" in part)
    if parts.get("Credential") != credentials.ALIYUN_ACCESS_KEY_ID:
        return refuse(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    names = parts.get("SignedHeaders", "").split(";")
    expected = acs3_authorization(
        method=request.method,
        path=request.path,
        query=canonical_query(dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))),
        headers={name: request.headers.get(name, "") for name in names},
        key_id=credentials.ALIYUN_ACCESS_KEY_ID,
        secret=credentials.ALIYUN_ACCESS_KEY_SECRET,
    )
    body_hash = hashlib.sha256(request.get_data()).hexdigest()
    if not hmac.compare_digest(given, expected) or request.headers.get("x-acs-content-sha256") != body_hash:
        return refuse(
            400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."
        )
    return None


def _send(given: dict[str, str]) -> ResponseReturnValue:
    numbers = given.get("PhoneNumbers", "")
    if not numbers.replace(",", "").replace("+", "").isdigit():
        return _answer(code="isv.MOBILE_NUMBER_ILLEGAL", message=f"{numbers} is not a mobile number")
    if given.get("SignName") != credentials.ALIYUN_SIGN:
        return _answer(code="isv.SMS_SIGNATURE_ILLEGAL", message="The SMS signature does not exist")
    if given.get("TemplateCode") != credentials.ALIYUN_TEMPLATE:
        return _answer(code="isv.SMS_TEMPLATE_ILLEGAL", message="The SMS template does not exist")
    details = {"template": given["TemplateCode"], "out_id": given.get("OutId", "")}
    kept = outbox().add("aliyun", numbers, given.get("TemplateParam", ""), **details)
    return _answer(BizId=kept.id)


def _details(given: dict[str, str]) -> ResponseReturnValue:
    """What was sent to one number, as far as it is kept here."""
    sent = [one for one in outbox().all() if one.vendor == "aliyun" and one.to == given.get("PhoneNumber")]
    listed = [{"OutId": one.details["out_id"], "PhoneNum": one.to, "SendStatus": 3} for one in sent]
    return _answer(SmsSendDetailDTOs={"SmsSendDetailDTO": listed}, TotalCount=len(listed))


def _sign_list(_given: dict[str, str]) -> ResponseReturnValue:
    approved = {"SignName": credentials.ALIYUN_SIGN, "AuditStatus": "AUDIT_STATE_PASS"}
    return _answer(SmsSignList=[approved], TotalCount=1, CurrentPage=1, PageSize=10)


def _sign(given: dict[str, str]) -> ResponseReturnValue:
    if given.get("SignName") != credentials.ALIYUN_SIGN:
        return _answer(code="isv.SMS_SIGNATURE_ILLEGAL", message="The SMS signature does not exist")
    return _answer(SignName=credentials.ALIYUN_SIGN, SignStatus=1)


def _template(given: dict[str, str]) -> ResponseReturnValue:
    if given.get("TemplateCode") != credentials.ALIYUN_TEMPLATE:
        return _answer(code="isv.SMS_TEMPLATE_ILLEGAL", message="The SMS template does not exist")
    return _answer(
        TemplateCode=credentials.ALIYUN_TEMPLATE, TemplateStatus="1", TemplateContent="验证码${code}"
    )


def _answer(code: str = "OK", message: str = "OK", **members: object) -> ResponseReturnValue:
    # Business errors come inside HTTP 200, as from the real service.
    return {"Code": code, "Message": message, "RequestId": _request_id(), **members}, 200


def _parameters() -> dict[str, str]:
    return {**request.args.to_dict(), **request.form.to_dict()}


def _request_id() -> str:
    return request.headers.get("x-acs-signature-nonce", "none").upper()


ACTIONS: dict[str, Callable[[dict[str, str]], ResponseReturnValue]] = {
    "SendSms": _send,
    "QuerySendDetails": _details,
    "QuerySmsSignList": _sign_list,
    "GetSmsSign": _sign,
    "GetSmsTemplate": _template,
}
