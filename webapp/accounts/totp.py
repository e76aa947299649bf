"""One-time codes of an authenticator app: six digits, a new one every 30 seconds (RFC 6238)."""

from __future__ import annotations

import hmac
import re
from datetime import datetime

import pyotp

DIGITS = 6
STEP_S = 30
ISSUER = "Patchbay"
CODE = re.compile(r"[0-9]{6}")


def new_seed() -> str:
    """Make a random seed of 160 bits, as base32."""
    return pyotp.random_base32()


def address(seed: str, account: str, host: str = "") -> str:
    """Return what the QR code says to the app; the host tells two Patchbays apart."""
    issuer = f"{ISSUER} {host}" if host else ISSUER
    return pyotp.TOTP(seed, interval=STEP_S, digits=DIGITS).provisioning_uri(name=account, issuer_name=issuer)


def matching_step(seed: str, code: str, now: datetime, window: int, after: int) -> int | None:
    """Return the time step a code belongs to, or None; steps up to `after` were used and count no more.

    `window` is how many steps before and after the present one are taken as well. Every candidate is compared.
    """
    if not CODE.fullmatch(code):
        return None
    totp, present = pyotp.TOTP(seed, interval=STEP_S, digits=DIGITS), int(now.timestamp()) // STEP_S
    found = None
    for step in range(present - window, present + window + 1):
        if hmac.compare_digest(totp.generate_otp(step), code) and step > after and found is None:
            found = step
    return found


def is_code(text: str) -> bool:
    """Tell whether this looks like a code of an app rather than a recovery code."""
    return bool(CODE.fullmatch(cleaned(text)))


def cleaned(text: str) -> str:
    """Take out the spaces and dashes that apps and people put in."""
    return re.sub(r"[\s-]+", "", text)
