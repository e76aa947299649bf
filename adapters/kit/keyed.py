"""What vendors say about a request whose idempotency key they know already."""

from __future__ import annotations

import re

from adapters.kit.errors import Fault, Unsure
from adapters.kit.reply import Reply
from adapters.kit.text import N_

CONFLICT = 409
# The draft of the standard, Stripe, Resend and PayPal, each in its own words.
_WORKING = re.compile(
    r"outstanding.{0,40}idempotency|idempotency_key_in_use|concurrent_idempotent|request_in_progress",
    re.IGNORECASE | re.DOTALL,
)


def still_working(reply: Reply) -> Fault | None:
    """Name the conflict of a request with itself: the vendor has not finished the first one with this key."""
    if reply.status != CONFLICT or not _WORKING.search(reply.text):
        return None
    return Unsure(
        N_("The service is still working on the same request."),
        code="VENDOR_IDEMPOTENCY_IN_PROGRESS",
        vendor_status=reply.status,
        request_id=reply.request_id,
        retry_after=reply.retry_after,
    )
