"""An operator's word about a breaker: kept open, kept closed, or begun anew; stored with the service, so it survives."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session

from adapters.kit.syntax import single_line
from webapp.db import begin_write
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.fields import Strict
from webapp.registry.switches import LOCK
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

CLOSED_FOR_S = 4 * 3_600
MOST_S = 30 * 86_400


class Order(Strict):
    """What an operator asks for; `expires_in_s` absent means until released, or four hours for `close`."""

    action: Literal["open", "close", "reset"] = Field(
        description="`open` takes the service out of use, `close` lets every call through, `reset` ends both and "
        "begins with an empty window."
    )
    reason: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(single_line)]
    expires_in_s: int | None = Field(default=None, ge=60, le=MOST_S)


def give(session: Session, runtime: Runtime, service: Service, order: Order, *, actor: str) -> None:
    """Carry out an order and leave its trace in the audit log. The caller commits."""
    begin_write(session, LOCK)
    session.refresh(service)
    now = runtime.clock.now()
    until = _until(order, now)
    service.breaker_override = None if order.action == "reset" else {
        "state": "open" if order.action == "open" else "closed",
        "actor": actor,
        "reason": order.reason,
        "at": now.isoformat(),
        "until": until.isoformat() if until else None,
    }  # fmt: skip
    if order.action == "reset":
        runtime.gates.reset(service.service_id)
    told = {"reason": order.reason, "until": until.isoformat() if until else None}
    audit.append(
        session,
        runtime,
        actor=actor,
        action=f"breaker.{order.action}",
        target=service.service_id,
        detail={"service_name": service.service_name, **told},
    )


def _until(order: Order, now: datetime) -> datetime | None:
    seconds = order.expires_in_s or (CLOSED_FOR_S if order.action == "close" else None)
    return now + timedelta(seconds=seconds) if seconds and order.action != "reset" else None
