"""The services that a search may name: by name, by the beginning of a name, or by id."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sqlalchemy.orm import Session

from webapp.models.service import Service

_KNOWN = f"SELECT service_id, service_name FROM {Service.__tablename__} ORDER BY name_key"  # noqa: S608 - our own name


@dataclass(frozen=True, slots=True)
class Services:
    """Names by id, of deleted services too: their calls stay in the log."""

    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def known(cls, session: Session) -> Services:
        """All of them, in the order of their names."""
        rows = session.connection().exec_driver_sql(_KNOWN)
        return cls({str(service_id): name for service_id, name in rows})

    def find(self, text: str, *, prefix: bool = False) -> tuple[str, ...]:
        """The ids that are meant; a deleted service may have left its name to another, so there can be several."""
        key = text.casefold()
        if found := tuple(
            service_id
            for service_id, name in self.names.items()
            if (name.casefold().startswith(key) if prefix else name.casefold() == key)
        ):
            return found
        return () if prefix or not _is_uuid(text) else (text.lower(),)


NOBODY = Services()


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
