"""Aliyun SMS (Dysmsapi 2017-05-25): approved templates, signed requests, errors inside HTTP 200."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from adapters.kit import (
    Exhausted,
    Fault,
    Forbidden,
    Lookup,
    Message,
    Operation,
    Refused,
    Reply,
    Sent,
    Stage,
    Throttled,
    Unsupported,
    Unsure,
    N_,
    setting,
)
from adapters.kit.aliyun import GATEWAY_FAULTS, AccessKey, Acs3, ask, details_of, judge_code, judge_details
from adapters.kit.rules import Rule, account_rule
from adapters.sms import Receipt, Sms, Text

BLOCKED = "VENDOR_RECIPIENT_BLOCKED"
VERSION = "2017-05-25"
CENTRAL_HOST = "dysmsapi.aliyuncs.com"
REGIONAL_HOSTS = {
    "ap-southeast-1": "dysmsapi.ap-southeast-1.aliyuncs.com",
    "ap-southeast-5": "dysmsapi.ap-southeast-5.aliyuncs.com",
    "cn-beijing": "dysmsapi-proxy.cn-beijing.aliyuncs.com",
    "cn-hongkong": "dysmsapi-xman.cn-hongkong.aliyuncs.com",
    "eu-central-1": "dysmsapi.eu-central-1.aliyuncs.com",
    "us-east-1": "dysmsapi.us-east-1.aliyuncs.com",
}

BALANCE = Rule(Exhausted, N_("The balance of the Aliyun account is used up."))
LIMIT = Rule(Throttled, N_("Too many messages for this number, signature or template."))
NUMBER = Rule(Refused, N_("Aliyun does not accept this phone number."))
ACCOUNT = account_rule(N_("The SMS service of this Aliyun account is not in order."))
FAULTS = GATEWAY_FAULTS | {
    "isv.AMOUNT_NOT_ENOUGH": BALANCE,
    "isv.OUT_OF_SERVICE": BALANCE,
    "isv.BUSINESS_LIMIT_CONTROL*": LIMIT,
    "BUSINESS_LIMIT_CONTROL*": LIMIT,
    "isv.DAY_LIMIT_CONTROL": LIMIT,
    "isv.MONTH_LIMIT_CONTROL": LIMIT,
    "isv.MOBILE_*": NUMBER,
    "isv.PHONE_NUMBER_ILLEGAL": NUMBER,
    "isv.SMS_SIGN*": account_rule(N_("Aliyun has no approved signature of this name."), "signName"),
    "isv.SMS_TEMPLATE*": account_rule(N_("Aliyun has no approved template of this code."), "templateCode"),
    "isv.PRODUCT_UN*": ACCOUNT,
    "isv.ACCOUNT_*": ACCOUNT,
    "isv.BLACK_KEY_CONTROL_LIMIT": Rule(Refused, N_("The message holds a forbidden word."), BLOCKED),
    "isv.*": Rule(Refused, N_("Aliyun does not accept this message.")),
    "isp.RAM_PERMISSION_DENY": Rule(Forbidden, N_("The RAM user may not use this function.")),
    "isp.*": Rule(Unsure, N_("Aliyun failed while handling the message.")),
}

# What a test looks up: stage, function, its parameter, and the member of the answer that is 1 once approved.
LOOKUPS = {
    "signName": ("sign", "GetSmsSign", "SignName", "SignStatus"),
    "templateCode": ("template", "GetSmsTemplate", "TemplateCode", "TemplateStatus"),
}


class AliyunSms(
    Sms,
    service_type="SMS_PROVIDER_ALIYUN",
    label=N_("Aliyun SMS"),
    docs="docs/adapters/aliyun.md",
    summary=N_("Sends approved templates in mainland China and abroad, with an AccessKey."),
):
    """Messages through Aliyun, which accepts first and delivers later."""

    class Config(AccessKey):
        """What Aliyun needs; the names are Aliyun's own."""

        sign_name: str = setting(
            N_("Signature"), alias="signName", max_length=100, hint=N_("An approved one, without brackets.")
        )
        template_code: str = setting(
            N_("Template code"), alias="templateCode", max_length=100, placeholder="SMS_154950909"
        )

    config: Config

    @property
    def base_url(self) -> str:
        """Return the region's endpoint, unless the settings name another."""
        return self.config.base_url or f"https://{REGIONAL_HOSTS.get(self.config.region_id, CENTRAL_HOST)}"

    def send(self, text: Text) -> Receipt:
        """Send a template; plain text alone is not something Aliyun can send."""
        if text.text and not (text.template or text.template_params):
            raise Unsupported(N_("Aliyun sends approved templates only: give template_params, not text."))
        values = json.dumps(text.template_params, ensure_ascii=False, separators=(",", ":"))
        answer = self._ask(
            "SendSms",
            PhoneNumbers=text.to.removeprefix("+86").removeprefix("+"),
            SignName=text.sign or self.config.sign_name,
            TemplateCode=text.template or self.config.template_code,
            TemplateParam=values if text.template_params else None,
            OutId=self.wire.idempotency_key[:256] or None,
        )
        return Receipt(str(answer.get("BizId", "")))

    def lookup(self, operation: Operation, params: Text, sent: Sent) -> Lookup:  # noqa: ARG002 - there is one
        """Look for our number among the messages of that day to this recipient."""
        return judge_details(self._ask("QuerySendDetails", **details_of(params.to, sent)), sent.key)

    def check(self) -> Iterator[Stage]:
        """Look up the signature and the template; the first answer proves the AccessKey."""
        for field in LOOKUPS:
            stage = self._look_up(field)
            if stage.name == "sign":
                yield Stage.ok("authentication", N_("Aliyun accepts the AccessKey."))
            yield stage

    def classify(self, reply: Reply) -> Fault | None:
        """Judge by Aliyun's code, which also comes inside HTTP 200."""
        return judge_code(reply, FAULTS)

    def _look_up(self, field: str) -> Stage:
        stage, action, parameter, status = LOOKUPS[field]
        try:
            answer = self._ask(action, **{parameter: self.config.plain()[field]})
        except Forbidden:
            remedy = Message.of(N_("Allow the RAM user dysms:%(action)s."), action=action)
            return Stage.warning(stage, N_("The RAM user may not look this up."), remedy=remedy)
        except Refused as fault:
            if not (fault.vendor_code or "").startswith("isv."):
                raise
            return Stage.of_fault(fault, stage)
        if str(answer.get(status)) == "1":
            return Stage.ok(stage, N_("Aliyun has approved it."))
        remedy = Message(N_("See in Aliyun's SMS console why."))
        return Stage.failed(stage, N_("Aliyun has not approved it."), remedy=remedy, field=field)

    def _ask(self, action: str, **parameters: str | None) -> dict[str, Any]:
        proof = Acs3(action, VERSION, self.config, self.wire.clock, self.wire.nonce)
        return ask(self.http, proof, parameters)
