"""The little of WebAuthn we need, over py_webauthn; it is loaded when somebody has to do with a passkey."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.models.passkey import Passkey
from webapp.models.user import User

CHALLENGE_BYTES = 32
NAME = "Patchbay"
TIMEOUT_MS = 120_000


class Refused(Exception):
    """What the browser sent was not signed by the right key, for us, just now."""


@dataclass(frozen=True, slots=True)
class Site:
    """Which site keys are made for: its name without port, and its whole origin."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Made:
    """A new passkey."""

    credential_id: str
    public_key: bytes
    sign_count: int
    is_synced: bool


def challenge() -> bytes:
    """Make a fresh challenge."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def creation(site: Site, user: User, known: Sequence[str], fresh: bytes) -> str:
    """What `navigator.credentials.create` is given, as JSON. A device that holds a known key makes no second one."""
    import webauthn  # noqa: PLC0415 - loaded when it is needed
    from webauthn.helpers.structs import (  # noqa: PLC0415
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = webauthn.generate_registration_options(
        rp_id=site.name,
        rp_name=NAME,
        user_id=user.user_id.encode(),
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=fresh,
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=_descriptors(known),
    )
    return str(webauthn.options_to_json(options))


def request(site: Site, known: Sequence[str], fresh: bytes) -> str:
    """What `navigator.credentials.get` is given, as JSON; without known keys their owner picks one."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415

    wanted = UserVerificationRequirement.PREFERRED if known else UserVerificationRequirement.REQUIRED
    options = webauthn.generate_authentication_options(
        rp_id=site.name,
        challenge=fresh,
        timeout=TIMEOUT_MS,
        allow_credentials=_descriptors(known) or None,
        user_verification=wanted,
    )
    return str(webauthn.options_to_json(options))


def verify_creation(answer: Mapping[str, Any], fresh: bytes, site: Site) -> Made:
    """Check a new passkey; raises Refused."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415

    try:
        made = webauthn.verify_registration_response(
            credential=dict(answer),
            expected_challenge=fresh,
            expected_rp_id=site.name,
            expected_origin=site.origin,
        )
    except Exception as error:  # a stranger's bytes end in many kinds of errors
        raise Refused from error
    return Made(
        bytes_to_base64url(made.credential_id),
        made.credential_public_key,
        made.sign_count,
        made.credential_backed_up,
    )


def verify_use(
    answer: Mapping[str, Any], fresh: bytes, site: Site, passkey: Passkey, *, verified: bool
) -> int:
    """Check a signature and return the new count; `verified` demands a finger, a face or a PIN. Raises Refused.

    A count that goes back is refused: somebody copied the device.
    """
    import webauthn  # noqa: PLC0415

    try:
        used = webauthn.verify_authentication_response(
            credential=dict(answer),
            expected_challenge=fresh,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=verified,
        )
    except Exception as error:
        raise Refused from error
    return int(used.new_sign_count)


def _descriptors(known: Sequence[str]) -> list[Any]:
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor  # noqa: PLC0415

    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in known]
