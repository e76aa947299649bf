"""A vendor's map of errors as data: its code on the left, our word for it on the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.kit.errors import Effect, Fault, Refused
from adapters.kit.reply import Reply
from adapters.kit.statuses import fault_by_status
from adapters.kit.text import N_

UNKNOWN_CODE = N_("The vendor did not accept the request.")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one vendor code means; `message` is a msgid, `field` the wire name of the setting to fix."""

    word: type[Fault]
    message: str
    code: str | None = None
    effect: Effect | None = None
    vendor_specific: bool = False
    field: str | None = None

    def fault(self) -> Fault:
        """Return the fault in this rule's words."""
        return self.word(
            self.message,
            code=self.code,
            effect=self.effect,
            vendor_specific=self.vendor_specific,
            field=self.field,
        )


Rules = Mapping[str, Rule]


def account_rule(message: str, field: str | None = None) -> Rule:
    """Return the rule of a refusal that lies in this account, so that another service may still do it."""
    return Rule(Refused, message, vendor_specific=True, field=field)


def rule_for(rules: Rules, vendor_code: str) -> Rule | None:
    """Find the rule of a code: exactly, else by the longest key that ends in `*` and fits."""
    if vendor_code in rules:
        return rules[vendor_code]
    fitting = [key for key in rules if key.endswith("*") and vendor_code.startswith(key[:-1])]
    return rules[max(fitting, key=len)] if fitting else None


def judge(
    reply: Reply,
    rules: Rules,
    *,
    code: str | None = None,
    message: object = None,
    request_id: object = None,
) -> Fault | None:
    """Return the fault of a reply by the vendor's code, else by the status; None when all is well.

    `rules` hold vendor codes and statuses. Give `code` only when it means failure: one that no rule knows stops
    the call, even in a reply whose status is a success. The other words are what the vendor's body says.
    """
    fault = fault_by_status(reply)
    rule = rule_for(rules, code) if code else None
    # A status without budget left is a limit, whatever it means otherwise.
    if rule is None and fault and fault.code != "VENDOR_RATE_LIMITED":
        rule = rules.get(str(reply.status))
    if rule:
        fault = rule.fault()
    elif fault is None and code:
        fault = Refused(UNKNOWN_CODE)
    if fault:
        fault.vendor_status, fault.vendor_code = reply.status, code
        fault.vendor_message = message if isinstance(message, str) else None
        fault.request_id = request_id if isinstance(request_id, str) else reply.request_id
    return fault
