"""From a stored service to what its adapter is built with: settings and opened secrets together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy.orm import Session

from adapters.kit import Entry, Settings
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.errors import AdapterMissing
from webapp.runtime import Runtime


def usable(runtime: Runtime, service_type: str) -> Entry:
    """The catalogue entry of a type whose adapter loads; raises AdapterMissing with the reason."""
    entry = runtime.catalog.get(service_type)
    if entry is None or entry.adapter is None:
        raise AdapterMissing(service_type, entry.broken if entry else None)
    return entry


class Stored(Protocol):
    """A service as stored, whether as a model or as a copy of it."""

    @property
    def service_type(self) -> str:
        """The type of its adapter."""
        ...

    @property
    def configurations(self) -> Mapping[str, Any]:
        """Its plain settings."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """Where its secrets lie, by field."""
        ...


def open_config(session: Session, runtime: Runtime, service: Service | Stored) -> Settings:
    """The service's settings with its secrets opened.

    Raises AdapterMissing, SecretUnreadable, or SettingsInvalid when the adapter now asks for more.
    """
    entry = usable(runtime, service.service_type)
    assert entry.adapter is not None
    known = {spec.name for spec in entry.adapter.Config.specs()}
    plain = {name: value for name, value in service.configurations.items() if name in known}
    opened = {name: runtime.vault.open(session, at) for name, at in service.secrets.items() if name in known}
    return entry.adapter.Config.parse({**plain, **opened})
