"""Rows as a busy year leaves them: services of unequal traffic, few failures, texts in two languages, thirty days."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import accumulate

from webapp.ids import id_at
from webapp.log.batch import Batch
from webapp.log.entries import Bodies
from webapp.log.writer import stamped

DAYS, SERVICES = 30, 20
KINDS = (
    ("EMAIL_PROVIDER_SENDGRID", "email.send", "https://api.sendgrid.com/v3/mail/send"),
    ("SMS_PROVIDER_ALIYUN", "sms.send", "https://dysmsapi.aliyuncs.com/"),
    ("PAYMENT_PROVIDER_STRIPE", "payment.charge", "https://api.stripe.com/v1/payment_intents"),
    ("HTTP_SERVICE", "http.request", "https://erp.example.com/api/orders"),
)
FAILURES = (
    (402, "VENDOR_QUOTA", "isv.AMOUNT_NOT_ENOUGH", "账户余额不足,请充值后重试"),
    (400, "VENDOR_REJECTED", "isv.MOBILE_NUMBER_ILLEGAL", "手机号码格式错误"),
    (429, "VENDOR_RATE_LIMITED", "isv.BUSINESS_LIMIT_CONTROL", "触发业务流控,稍后再试"),
    (400, "VENDOR_REJECTED", "isv.SMS_TEMPLATE_ILLEGAL", "短信模板不合法"),
    (403, "VENDOR_DENIED", "SignatureDoesNotMatch", "签名不匹配"),
    (
        401,
        "VENDOR_DENIED",
        "unauthorized",
        "The provided authorization grant is invalid, expired, or revoked",
    ),
    (429, "VENDOR_RATE_LIMITED", "too_many_requests", "too many requests"),
    (400, "VENDOR_REJECTED", "invalid_request_error", "No such customer"),
    (402, "VENDOR_REJECTED", "card_declined", "Your card was declined."),
    (500, "VENDOR_ERROR", "internal_error", "An unexpected error occurred"),
    (503, "VENDOR_UNAVAILABLE", "unavailable", "Service temporarily unavailable"),
    (None, "READ_TIMEOUT", None, "No answer within 10000 ms"),
    (None, "CONNECT_REFUSED", None, "Connection refused"),
    (None, "DNS_FAILED", None, "Name or service not known"),
)
POINTS = (
    "signup.welcome_mail",
    "signup.code",
    "order.receipt",
    "order.shipped",
    "billing.monthly",
    "support.reply",
)
RARE = f"s-{SERVICES - 1:02}"
WEIGHTS = list(accumulate(1 / (rank + 1) for rank in range(SERVICES)))
SENT = '{{"personalizations": [{{"to": [{{"email": "***@example.com"}}]}}], "from": {{"email": "***@example.com"}}, "subject": "订单 {order} 已发货", "content": [{{"type": "text/plain", "value": "{text}"}}]}}'  # fmt: skip
TEXT = "您好,您的订单已经发货,请注意查收。Thank you for your order; it left our warehouse today and will arrive within three days. "


class Rows:
    """Makes attempts with their calls and bodies, evenly over the days before `now`."""

    def __init__(self, count, now, *, seed=1):
        self.count, self.now = count, now
        self._random = random.Random(seed)
        self._step = timedelta(days=DAYS) / count

    def batches(self, size=500, share=(0, 1)):
        """All of them, oldest first, as the drain would write them; or one of several equal shares."""
        part, parts = share
        first, last = self.count * part // parts, self.count * (part + 1) // parts
        for start in range(first, last, size):
            batch = Batch()
            for number in range(start, min(start + size, last)):
                self._add(batch, number)
            yield batch

    def _add(self, batch, number):
        draw = self._random
        at = self.now - timedelta(days=DAYS) + self._step * number
        log_id = id_at(at) + number % 1_000
        service = draw.choices(range(SERVICES), cum_weights=WEIGHTS)[0]
        kind, operation, endpoint = KINDS[service % len(KINDS)]
        failed = draw.random() < 0.04
        duration = (
            int(draw.lognormvariate(4.7, 0.6)) if draw.random() > 0.0013 else draw.randrange(5_000, 12_000)
        )
        row = {
            "log_id": log_id, "call_id": log_id, "service_id": f"s-{service:02}", "service_type": kind,
            "request_timestamp": at, "response_timestamp": at + timedelta(milliseconds=duration), "duration_ms": duration,
            "request_endpoint": f"POST {endpoint}", "response_status_code": 200, "is_success": True, "error_message": None,
            "correlation_id": f"ord-{number:08}", "attempt_no": 1 + (draw.random() < 0.02), "candidate_no": 1, "kind": "attempt",
            "operation": operation, "integration_point": draw.choice(POINTS), "outcome": "succeeded", "effect": "DONE",
            "code": None, "recipient_mask": f"138****{draw.randrange(10_000):04}",
            "recipient_hash": f"{draw.randrange(self.count // 5 + 1):032x}", "vendor_code": None, "vendor_message": None,
            "vendor_request_id": f"{draw.getrandbits(64):016x}", "bytes_out": 620, "bytes_in": 140, "next": "stop",
        }  # fmt: skip
        if failed:
            status, code, vendor_code, said = draw.choice(FAILURES)
            unknown = code == "READ_TIMEOUT" and draw.random() < 0.2
            row |= {
                "response_status_code": status, "is_success": False, "outcome": "unknown" if unknown else "failed", "code": code,
                "vendor_code": vendor_code, "vendor_message": said, "error_message": said, "effect": "NONE",
            }  # fmt: skip
        batch.rows[log_id] = stamped(row)
        batch.calls[log_id] = stamped(
            {
                "call_id": log_id, "created_at": at, "finished_at": row["response_timestamp"], "operation": operation,
                "contract": operation.partition(".")[0], "outcome": row["outcome"], "integration_point": row["integration_point"],
                "correlation_id": row["correlation_id"], "service_id": row["service_id"], "service_type": kind,
                "code": row["code"], "attempts": row["attempt_no"], "duration_ms": duration,
            }
        )  # fmt: skip
        batch.bodies[log_id] = Bodies(
            {"Content-Type": "application/json", "User-Agent": "patchbay/1.0", "Authorization": "***"},
            SENT.format(order=number, text=TEXT * draw.randrange(1, 4)),
            {
                "Content-Type": "application/json",
                "X-Request-Id": row["vendor_request_id"],
                "Date": f"{at:%a, %d %b %Y %H:%M:%S} GMT",
            },
            f'{{"id": "{draw.getrandbits(64):016x}", "status": "queued"}}',
        )
