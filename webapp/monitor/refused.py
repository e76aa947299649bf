"""Services that refused the credentials of several calls in a row: their health says so before the next check is due."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from adapters.kit import Message, Stage, N_
from webapp.engine.refusals import IN_A_ROW, REFUSED
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.findings import from_stages
from webapp.monitor.results import Outcome, write
from webapp.monitor.states import REAUTH_AFTER
from webapp.registry.fields import HealthPolicy

if TYPE_CHECKING:
    from webapp.runtime import Runtime


def heed(runtime: Runtime) -> int:
    """Write as many refused checks as it takes for `reauth`; returns of how many services."""
    told = runtime.gates.refusals.take()
    if not told:
        return 0
    with runtime.sessions() as session:
        query = select(Service.service_id, Service.health_policy)
        found = session.execute(query.where(Service.service_id.in_(told), Service.is_enabled)).all()
    text = Message.of(N_("The credentials of %(count)s calls in a row were refused."), count=IN_A_ROW)
    finding = replace(from_stages([Stage.failed("authentication", text, code=REFUSED)]), source="traffic")
    outcomes = [Outcome(row.service_id, HealthPolicy(**(row.health_policy or {})), finding) for row in found]
    for _ in range(REAUTH_AFTER):
        write(runtime, outcomes)
    return len(outcomes)
