"""Opening a candidate: its settings with their secrets, its adapter, and the redactor that knows the secrets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import Adapter, Message, Settings, SettingsInvalid, N_
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.logging import process_secrets
from webapp.engine.redaction import Redactor
from webapp.engine.snapshot import Facts
from webapp.registry.assemble import open_config
from webapp.registry.errors import AdapterMissing
from webapp.vault.errors import SecretUnreadable, VaultError
from webapp.vault.keyring import FAILED_S, FRESH_S

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_USER_MAX = 254
_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """What one attempt needs of a service. Holds secrets: never stored, never shown."""

    adapter: type[Adapter]
    config: Settings
    redactor: Redactor
    note: Message | None = None
    """What the log has to say about these credentials."""
    fresh_s: float = FRESH_S
    """How long these credentials may be kept, in seconds."""
    revision: int | None = None
    """The revision of the service that these are of."""
    renew: Callable[[], Opened | None] | None = None
    """Gets others in place of these when they are refused, such as a new access token; asked once in a call.

    Threads that are refused at the same time ask at the same time: that only one of them renews is its own affair.
    """

    def __repr__(self) -> str:
        return f"Opened({self.adapter.service_type})"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was opened, of which state of the service and of the keys, and when (monotonic)."""

    facts: Facts
    keys: object
    opened: Opened
    since: float


def open_candidate(runtime: Runtime, candidate: Candidate) -> Opened | Skip:
    """The service as it is now, for it may have changed since the call began, with its secrets opened.

    What was opened is kept for a while, as long as neither the service nor the keys change.
    """
    snapshots = runtime.snapshots
    facts = snapshots.current().services.get(candidate.service_id or "")
    if facts is None:
        return Skip("CONFIG_NOT_FOUND", Message.of(N_("%(name)s was deleted."), name=candidate.service_name))
    if not facts.is_enabled:
        return Skip("CONFIG_DISABLED", Message.of(N_("%(name)s is disabled."), name=facts.service_name))
    kept: _Kept | None = snapshots.kept.get(facts.service_id)
    keys = runtime.vault.epoch
    fits = kept is not None and kept.keys == keys and (kept.facts is facts or kept.facts == facts)
    if kept is not None and fits and time.monotonic() - kept.since < kept.opened.fresh_s:
        return kept.opened
    opened = _open(runtime, facts)
    if isinstance(opened, Opened):
        snapshots.kept[facts.service_id] = _Kept(facts, keys, opened, time.monotonic())
    elif opened.code == "STATE_STORE_UNAVAILABLE" and kept is not None and fits:
        return kept.opened  # the database is away; what it would say is what it said before
    return opened


def _open(runtime: Runtime, facts: Facts) -> Opened | Skip:
    try:
        with runtime.sessions() as session:
            config = open_config(session, runtime, facts)
            elsewhere = runtime.vault.is_elsewhere(session, facts.secrets.values())
    except AdapterMissing as missing:
        return Skip("ADAPTER_MISSING", missing.message)
    except SettingsInvalid as invalid:
        return _invalid(facts.service_name, invalid)
    except VaultError as error:
        _log.error("The credentials of service %s cannot be read: %s", facts.service_id, error)
        key_away = isinstance(error, SecretUnreadable) and error.is_key_away
        return (_keyless if key_away else _unreadable)(facts.service_name)
    except SQLAlchemyError as error:
        _log.error("The credentials of service %s cannot be read: %s", facts.service_id, type(error).__name__)
        return _away(facts.service_name)
    entry = runtime.catalog.get(facts.service_type)
    assert entry is not None
    assert entry.adapter is not None
    process_secrets.learn(secrets_of(config))
    fresh_s = 0.0 if elsewhere else FRESH_S  # references have a cache of their own, which knows of refusals
    return Opened(entry.adapter, config, redactor_of(config), fresh_s=fresh_s, revision=facts.revision)


def redactor_of(*configs: Settings) -> Redactor:
    """A redactor that knows every secret of these settings, in all the forms in which it may travel."""
    secrets = tuple(secret for config in configs for secret in secrets_of(config))
    return _redactor(secrets, tuple(user for config in configs for user in _users_of(config)))


def redactor_with(config: Settings, *secrets: str) -> Redactor:
    """A redactor that knows more secrets than those of these settings, such as the token of a person."""
    return _redactor((*secrets_of(config), *secrets), tuple(_users_of(config)))


@lru_cache(maxsize=512)
def _redactor(secrets: tuple[str, ...], users: tuple[str, ...]) -> Redactor:
    """Made once for each revision of a service, which is when these values change."""
    return Redactor(secrets, users)


def secrets_of(config: Settings) -> Iterator[str]:
    """The secret values of these settings."""
    for spec in config.specs():
        value = getattr(config, spec.attribute)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _users_of(config: Settings) -> Iterator[str]:
    for spec in config.specs():
        value = getattr(config, spec.attribute)
        if isinstance(value, str) and 0 < len(value) <= _USER_MAX:
            yield value


def _invalid(name: str, invalid: SettingsInvalid) -> Skip:
    fields = ", ".join(error.field for error in invalid.errors)
    return Skip(
        "CONFIG_INVALID",
        Message.of(N_("The settings of %(name)s are not valid: %(fields)s."), name=name, fields=fields),
    )


def _unreadable(name: str) -> Skip:
    sentence = N_("The credentials of %(name)s cannot be read; see the System page.")
    return Skip("CREDENTIALS_UNREADABLE", Message.of(sentence, name=name))


def _keyless(name: str) -> Skip:
    sentence = N_("The key for the credentials of %(name)s is not available; see the System page.")
    return Skip("KEY_UNAVAILABLE", Message.of(sentence, name=name), FAILED_S)


def _away(name: str) -> Skip:
    sentence = N_("The credentials of %(name)s cannot be read while the database is away.")
    return Skip("STATE_STORE_UNAVAILABLE", Message.of(sentence, name=name), _AGAIN_S)
