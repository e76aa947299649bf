"""For whom a call is made."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Behalf:
    """The account of a person at a provider, and the token that its owner let us have."""

    token: SecretStr
    account_id: str

    @property
    def bearer(self) -> str:
        """The token in clear, for a header."""
        return self.token.get_secret_value()
