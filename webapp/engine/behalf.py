"""Calls on behalf of a person: their token goes with the attempt, and nobody else ever sees it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import Effect, Message, N_
from adapters.kit.behalf import Behalf
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.classify import Verdict
from webapp.engine.opening import Opened, redactor_with

if TYPE_CHECKING:
    from webapp.engine.request import CallRequest
    from webapp.links.tokens import PersonToken
    from webapp.runtime import Runtime

REFUSED = "VENDOR_AUTH_REJECTED"
CONTRACT = "OAUTH_PROVIDER"
_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


class LinkUnusable(Exception):
    """No token can be had for a person at a service now.

    The codes are of the taxonomy: LINK_MISSING, LINK_NEEDS_SIGN_IN (only the person can help) and LINK_UNAVAILABLE
    (the provider does not answer; `retry_after_s` says when it may be worth another try).
    """

    def __init__(self, code: str, message: Message, *, retry_after_s: float | None = None) -> None:
        super().__init__(str(message))
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class OnBehalf:
    """The person of one call, at one service. Does nothing where the call is made for nobody in particular."""

    def __init__(self, runtime: Runtime, request: CallRequest, candidate: Candidate) -> None:
        self._runtime = runtime
        self._request = request
        self._service_id = candidate.service_id or ""
        self._token: PersonToken | None = None
        self._renewed = False

    @property
    def behalf(self) -> Behalf | None:
        """What the attempt's wire carries."""
        return self._token.behalf if self._token else None

    @property
    def email(self) -> str | None:
        """Whose account it is, for the masked recipient in the log."""
        return self._token.email if self._token else None

    def open(self, opened: Opened, within_s: float) -> Opened | Skip:
        """The service with the person's token, or the tokens it is sent, among the secrets that no log may show."""
        person = self._request.on_behalf_of
        if person is None:
            more = self._request.secrets
            return replace(opened, redactor=redactor_with(opened.config, *more)) if more else opened
        if opened.adapter.contract != CONTRACT:
            text = Message.of(N_("This service cannot be called on behalf of a person."))
            return Skip("OPERATION_UNSUPPORTED", text)
        try:
            if self._token is None:
                self._token = self._runtime.links.token(person, self._service_id, within_s=within_s)
        except LinkUnusable as missing:
            return Skip(missing.code, missing.message, missing.retry_after_s)
        except SQLAlchemyError as error:
            _log.error("The link of a person cannot be read: %s", type(error).__name__)
            text = Message.of(N_("The links of people cannot be read while the database is away."))
            return Skip("STATE_STORE_UNAVAILABLE", text, _AGAIN_S)
        secret = self._token.access_token.get_secret_value()
        return replace(opened, redactor=redactor_with(opened.config, secret)) if secret else opened

    def offer(self, verdict: Verdict) -> bool:
        """Whether the provider refused the token and another one was had for it; asked once."""
        token = self._token
        if token is None or verdict.code != REFUSED or verdict.effect is not Effect.REJECTED:
            return False
        if self._renewed or not token.can_refresh:
            return False
        self._renewed = True
        try:
            self._token = self._runtime.links.token(token.user_id, self._service_id, refused=token.generation)
        except (LinkUnusable, SQLAlchemyError) as error:
            _log.warning("The token of link %s was refused and not renewed: %s", token.link_id, error)
            return False
        return True

    def after(self, verdict: Verdict) -> None:
        """Note the use, and what it says about the link."""
        token = self._token
        if token is None or verdict.effect is Effect.NONE:
            return
        links = self._runtime.links
        links.used(token, self._request.point)
        try:
            if verdict.code is None:
                links.accepted(token)
            elif verdict.code == REFUSED and not token.can_refresh:
                links.refused(token)
        except SQLAlchemyError as error:
            _log.warning(
                "What happened to link %s is not written down: %s", token.link_id, type(error).__name__
            )
