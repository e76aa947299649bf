"""From incidents and rules to messages: each is written down once, under a key of its own, before it is sent.

Nothing here depends on what happened a moment ago: it looks at the incidents that last or have just ended, so a
process that dies in between loses no alert, and one that comes after it doubles none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from webapp.models.alert import AlertDelivery, AlertRule
from webapp.models.incident import Incident
from webapp.monitor import rules
from webapp.monitor.incidents import note

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_LOOK_BACK = timedelta(hours=24)
_TOLD = frozenset({"sent", "stuck"})


def raise_alerts(runtime: Runtime) -> int:
    """Write down the messages that incidents ask for by now; returns how many were new."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        query = select(Incident).where(
            or_(Incident.closed_at.is_(None), Incident.closed_at > now - _LOOK_BACK)
        )
        incidents = session.scalars(query).all()
        known = _known(session, incidents)
        alert_rules = session.scalars(select(AlertRule)).all() if incidents else ()
        pairs = [_Pair(session, known, rule, incident, now) for rule in alert_rules for incident in incidents]
        made = sum(pair.ongoing() if pair.incident.is_open else pair.over() for pair in pairs)
        session.commit()
        return made


def _known(session: Session, incidents: Sequence[Incident]) -> dict[str, AlertDelivery]:
    ids = [incident.incident_id for incident in incidents]
    query = select(AlertDelivery).where(AlertDelivery.incident_id.in_(ids))
    return {delivery.key: delivery for delivery in session.scalars(query)}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A rule and an incident, and the messages there are already."""

    session: Session
    known: dict[str, AlertDelivery]
    rule: AlertRule
    incident: Incident
    now: datetime

    @property
    def told(self) -> list[AlertDelivery]:
        """The first messages about the incident: that it began, and that another service stands in."""
        keys = (f"{self.rule.rule_id}:{self.incident.incident_id}:{kind}" for kind in ("problem", "fallback"))
        return [self.known[key] for key in keys if key in self.known]

    def ongoing(self) -> int:
        """What there is to say while it lasts."""
        made = 0
        if rules.matches(self.rule, self.incident):
            wanted = self.incident.opened_at + timedelta(seconds=self.rule.after_s)
            made += self._add("problem", max(self.now, wanted))
        if self.incident.carried_by and "fallback" in self.rule.states and self._is_mine():
            made += self._add("fallback", self.now)
        return made + self._remind()

    def over(self) -> int:
        """What there is to say when it has ended."""
        for told in self.told:
            if told.status == "waiting" and not told.tries and not told.step:
                told.status, told.ended_at = "dropped", self.now  # it ended before anybody had to know
        return self._add("recovery", self.now) if any(one.status in _TOLD for one in self.told) else 0

    def _remind(self) -> int:
        """Say it again while it lasts and nobody has taken notice."""
        every, sent = self.rule.remind_every_s, [one for one in self.told if one.status == "sent"]
        if not every or not sent or self.incident.acknowledged_at:
            return 0
        number = int((self.now - (sent[0].ended_at or self.now)).total_seconds() // every)
        return self._add("reminder", self.now, number) if number else 0

    def _is_mine(self) -> bool:
        return self.rule.is_enabled and (
            not self.rule.services or self.incident.subject in self.rule.services
        )

    def _add(self, kind: str, wanted: datetime, number: int = 0) -> int:
        rule, incident = self.rule, self.incident
        key = f"{rule.rule_id}:{incident.incident_id}:{kind}" + (f":{number}" if number else "")
        if key in self.known:
            return 0
        self.known[key] = AlertDelivery(
            key=key, kind=kind, rule_id=rule.rule_id, incident_id=incident.incident_id,
            channels=list(rule.channels), status="waiting", created_at=self.now,
            due_at=rules.due(rule, wanted), step=0, tries=0,
        )  # fmt: skip
        self.session.add(self.known[key])
        note(self.session, incident, "alert", self.now, detail={"rule": rule.name, "kind": kind})
        return 1
