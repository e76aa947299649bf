"""Whether secrets can be sealed and opened, and if not, what is missing."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.kit.text import Message, N_

# Locked is a state, not a crash: pages still show what is set up, and say which key to bring back.
REASONS = {
    "not_initialised": N_("The database has not been set up yet: run flask --app wsgi init."),
    "key_missing": N_(
        "The key %(missing)s is not here. Put its key file back; no new key is made over sealed secrets."
    ),
    "key_differs": N_("The secrets were sealed under the key %(missing)s, but the key here is %(present)s."),
    "canary_failed": N_(
        "The key %(missing)s does not open the check value, so the key or the database is damaged."
    ),
    "unavailable": N_("The key provider does not answer."),
    "denied": N_(
        "The key provider refuses to use the key %(missing)s for us: check its policy and our credentials."
    ),
    "disabled": N_("The key %(missing)s is disabled at its provider: enable it there."),
    "key_gone": N_("The key provider no longer has the key %(missing)s."),
}


@dataclass(frozen=True, slots=True)
class VaultState:
    """Open, or locked for one of REASONS; fingerprints name keys without telling anything about them."""

    locked: bool = False
    reason: str = ""
    missing_fingerprint: str | None = None
    present_fingerprint: str | None = None

    @property
    def message(self) -> Message | None:
        """A sentence for people on what is wrong and what to do; None when all is well."""
        if not self.locked:
            return None
        return Message.of(
            REASONS[self.reason],
            missing=self.missing_fingerprint or "",
            present=self.present_fingerprint or "",
        )
