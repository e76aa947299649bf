"""When a vendor refuses the credential in use: the previous one, for as long as its grace lasts, asked once."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import Effect, Message, SettingsInvalid, N_
from webapp.engine.attempt import where
from webapp.engine.candidates import Candidate
from webapp.engine.classify import Verdict
from webapp.engine.logging import process_secrets
from webapp.engine.opening import Opened, redactor_of, secrets_of
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.assemble import open_config
from webapp.registry.errors import AdapterMissing
from webapp.registry.standby import previous_config
from webapp.vault.errors import VaultError

if TYPE_CHECKING:
    from webapp.runtime import Runtime

REFUSED = "VENDOR_AUTH_REJECTED"
NOTE = Message(N_("The credential in use was refused; the previous one was tried."))
FRESH = Message(
    N_("The credential was refused; it had been changed where it is kept, and was fetched again.")
)
_log = logging.getLogger(__name__)


class StandBy:
    """For the tries of one call on one service."""

    def __init__(self, runtime: Runtime, candidate: Candidate) -> None:
        self._runtime = runtime
        self._candidate = candidate
        self._asked = self._fetched = self._renewed = False
        self.opened: Opened | None = None

    def offer(self, verdict: Verdict, refused: Opened) -> bool:
        """Whether there is another credential to try after this verdict; from then on `opened` carries it."""
        if self._asked or verdict.code != REFUSED or verdict.effect is not Effect.REJECTED:
            return False
        if self._renew(refused) or self._fetch_anew(refused):
            return True
        self._asked = True
        try:
            self.opened = self._previous(refused)
        except SQLAlchemyError as error:
            _log.error("The previous credential could not be read: %s", type(error).__name__)
        if self.opened is not None:
            _log.warning(
                "Service %s refused its credential; the previous one is tried.", self._candidate.service_id
            )
        return self.opened is not None

    def _renew(self, refused: Opened) -> bool:
        """Whether the credentials could be renewed, as access tokens can."""
        if self._renewed or refused.renew is None:
            return False
        self._renewed = True
        try:
            self.opened = refused.renew()
        except Exception as bug:  # noqa: BLE001 - the service has refused; nothing may hide that
            _log.error("The credential could not be renewed: %s", where(bug))
        return self.opened is not None

    def _fetch_anew(self, refused: Opened) -> bool:
        """Whether what is kept elsewhere was changed there since: it is fetched once more, past the cache."""
        if self._fetched:
            return False
        self._fetched = True
        try:
            with self._runtime.sessions() as session:
                service = session.get(Service, self._candidate.service_id)
                if service is None or not self._runtime.vault.fetch_anew(session, service.secrets.values()):
                    return False
                config = open_config(session, self._runtime, service)
        except (SQLAlchemyError, VaultError, SettingsInvalid, AdapterMissing) as error:
            _log.error("The credential could not be fetched again: %s", type(error).__name__)
            return False
        if config == refused.config:
            return False
        process_secrets.learn(secrets_of(config))
        self.opened = replace(
            refused, config=config, redactor=redactor_of(config, refused.config), note=FRESH
        )
        return True

    def _previous(self, refused: Opened) -> Opened | None:
        with self._runtime.sessions() as session:
            service = session.get(Service, self._candidate.service_id)
            config = previous_config(session, self._runtime, service) if service else None
            if config is None:
                return None
            session.commit()
        process_secrets.learn(secrets_of(config))
        return replace(refused, config=config, redactor=redactor_of(config, refused.config), note=NOTE)
