"""The credentials in time: previous values are wiped when their grace is over, and what ends is announced."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from webapp.registry.reminders import remind
from webapp.registry.standby import wipe_due

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_log = logging.getLogger(__name__)


def wipe(runtime: Runtime) -> int:
    """Delete the previous values that need not stand by any more; returns how many."""
    with runtime.sessions() as session:
        wiped = wipe_due(session, runtime)
        session.commit()
        return wiped


def announce(runtime: Runtime) -> int:
    """Write the reminders that are due; returns how many were new."""
    with runtime.sessions() as session:
        made = remind(session, runtime)
        for row in made:
            _log.warning("What ends: %s at %s.", row.subject, row.expires_at.isoformat())
        session.commit()
        return len(made)
