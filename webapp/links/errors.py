"""Why an account could not be linked, and why a linked one cannot be used."""

from __future__ import annotations

from adapters.kit import Message
from webapp.engine.behalf import LinkUnusable

__all__ = ["LinkRefused", "LinkUnusable"]


class LinkRefused(Exception):
    """An account was not linked or not changed. `code` is stable, `message` is for the person, `reason` for the log.

    The codes: `denied` (the person said no), `state` (unknown, used or of another browser), `late`, `issuer`,
    `proof` (the identity token is not valid), `code` (the provider refused it), `provider_away`, `provider_answer`,
    `account_taken` (another person here has it), `other_account` (see below), `scope` (nothing useful was granted),
    `not_offered` (the service is not there, disabled or broken).

    With `other_account` the person signed in at the provider with an account that is not the linked one: `linked`
    and `offered` are the labels of both, and `choice` goes into `start(…, choice=…)` if they want to change.
    """

    def __init__(
        self,
        code: str,
        message: Message,
        *,
        reason: str = "",
        service_id: str | None = None,
        target: str | None = None,
        linked: str | None = None,
        offered: str | None = None,
        choice: str | None = None,
    ) -> None:
        super().__init__(reason or code)
        self.code = code
        self.message = message
        self.reason = reason or code
        self.service_id = service_id
        self.target = target
        self.linked = linked
        self.offered = offered
        self.choice = choice
