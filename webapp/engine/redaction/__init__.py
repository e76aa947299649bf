"""Redaction: what may be written down of a request, a reply or a log line. Nothing raw is ever stored."""

from webapp.engine.redaction.redact import FAILED, Redactor, mask_recipient

__all__ = ["FAILED", "Redactor", "mask_recipient"]
