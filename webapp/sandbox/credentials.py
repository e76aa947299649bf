"""Credentials that the pretend vendors accept; every other one is refused, so that a wrong key can be tried too."""

from __future__ import annotations

SENDGRID_API_KEY = "SG.sandbox-key.for-trying-patchbay-without-an-account"
TWILIO_ACCOUNT_SID = "AC" + "5a" * 16
TWILIO_AUTH_TOKEN = "sandbox-auth-token"  # noqa: S105 - it opens nothing but the sandbox
ALIYUN_ACCESS_KEY_ID = "LTAIsandboxaccesskey"
ALIYUN_ACCESS_KEY_SECRET = "sandbox-access-key-secret"  # noqa: S105 - it opens nothing but the sandbox
ALIYUN_SIGN = "阿里云短信测试"
ALIYUN_TEMPLATE = "SMS_154950909"
