"""Alert rules: which states of which services, after how long, through which channels, how often again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, ValidationError, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, Wrong, N_
from adapters.kit.syntax import single_line
from webapp.db import begin_write
from webapp.models.alert import AlertChannel, AlertRule
from webapp.models.incident import Incident
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.channels import LOCK, behind, claim
from webapp.monitor.incidents import NETWORK
from webapp.registry.errors import Conflict, Flaw, Invalid, NotFound
from webapp.registry.fields import Identifier, Strict, flaws_of
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

State = Literal["down", "reauth", "degraded", "network", "fallback"]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class RuleFields(Strict):
    """A rule as it is asked for."""

    name: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(single_line)]
    is_enabled: bool = True
    services: list[Identifier] = Field(
        default=[], max_length=200, description="Ids of services; none means all."
    )
    states: list[State] = Field(default=["down", "reauth", "network"], min_length=1, max_length=5)
    after_s: int = Field(
        default=0, ge=0, le=86_400, description="So long it must last before anybody is told."
    )
    channels: list[Identifier] = Field(
        min_length=1, max_length=5, description="In the order in which they are tried."
    )
    remind_every_s: int | None = Field(default=None, ge=300, le=604_800)
    digest_s: int | None = Field(default=None, ge=300, le=86_400, description="Gather so long, tell once.")
    quiet_from: Clock | None = None
    quiet_to: Clock | None = None
    time_zone: str = "UTC"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise Wrong(N_("Quiet hours have a beginning and an end."), field="quiet_to", code="missing")
        if self.quiet_from is not None and self.quiet_from == self.quiet_to:
            raise Wrong(N_("Quiet hours cannot last the whole day."), field="quiet_to", code="range")
        if self.time_zone not in available_timezones():
            raise Wrong(
                N_("There is no such time zone; use a name such as Asia/Shanghai."),
                field="time_zone",
                code="choice",
            )
        return self


def create(session: Session, runtime: Runtime, values: Mapping[str, Any], *, actor: str) -> AlertRule:
    """Add a rule. Raises Invalid or Conflict (NAME_TAKEN). The caller commits."""
    fields = _checked(session, runtime, values)
    begin_write(session, LOCK)
    _require_free_name(session, fields.name)
    rule = AlertRule(**fields.model_dump(), created_at=runtime.clock.now())
    session.add(rule)
    session.flush()
    _note(session, runtime, rule, actor, "alert_rule.create")
    return rule


def update(
    session: Session,
    runtime: Runtime,
    rule: AlertRule,
    values: Mapping[str, Any],
    *,
    actor: str,
    expected_revision: int | None = None,
) -> None:
    """Replace a rule. Raises as `create`, and Stale when it is not as it was seen. The caller commits."""
    fields = _checked(session, runtime, values)
    claim(session, rule, expected_revision)
    _require_free_name(session, fields.name, but=rule.rule_id)
    for name, value in fields.model_dump().items():
        setattr(rule, name, value)
    _note(session, runtime, rule, actor, "alert_rule.update")


def delete(
    session: Session, runtime: Runtime, rule: AlertRule, *, actor: str, expected_revision: int | None = None
) -> None:
    """Remove a rule. Raises Stale when it is not as it was seen. The caller commits."""
    claim(session, rule, expected_revision)
    _note(session, runtime, rule, actor, "alert_rule.delete")
    session.delete(rule)


def find(session: Session, rule_id: str) -> AlertRule:
    """One rule; raises NotFound."""
    rule = session.get(AlertRule, rule_id)
    if rule is None:
        raise NotFound(Message.of(N_("There is no such alert rule.")), "NOT_FOUND")
    return rule


def listed(session: Session) -> Sequence[AlertRule]:
    """All rules, by name."""
    return session.scalars(select(AlertRule).order_by(AlertRule.name)).all()


def to_dict(rule: AlertRule) -> dict[str, Any]:
    """A rule as JSON."""
    own = {"rule_id": rule.rule_id, "revision": rule.revision}
    return own | {name: getattr(rule, name) for name in RuleFields.model_fields}


def matches(rule: AlertRule, incident: Incident) -> bool:
    """Whether a rule is about an incident as it now stands."""
    about = incident.subject == NETWORK or not rule.services or incident.subject in rule.services
    return rule.is_enabled and about and incident.state in rule.states


def due(rule: AlertRule, wanted: datetime) -> datetime:
    """When a message that is wanted at some moment may go: not in quiet hours, and with the others of its digest."""
    if rule.digest_s:
        seconds = -(-wanted.timestamp() // rule.digest_s) * rule.digest_s
        wanted = datetime.fromtimestamp(seconds, wanted.tzinfo)
    if not rule.quiet_from or not rule.quiet_to:
        return wanted
    local = wanted.astimezone(ZoneInfo(rule.time_zone))
    begins, ends = time.fromisoformat(rule.quiet_from), time.fromisoformat(rule.quiet_to)
    now = local.time()
    within = begins <= now < ends if begins < ends else now >= begins or now < ends
    if not within:
        return wanted
    end = local.replace(hour=ends.hour, minute=ends.minute, second=0, microsecond=0)
    return (end if end > local else end + timedelta(days=1)).astimezone(wanted.tzinfo)


def deaf(session: Session, runtime: Runtime, rule: AlertRule | RuleFields) -> bool:
    """Whether nobody would hear of it when the very services a rule watches fail: all its channels need them."""
    channels = [found for id_ in rule.channels if (found := session.get(AlertChannel, id_))]
    if any(channel.kind == "webhook" for channel in channels):
        return False
    used = {one.service_id for channel in channels for one in behind(runtime, channel.kind, channel.route)}
    if not rule.services:
        return len(used) == 1
    return bool(used) and used <= set(rule.services)


def _checked(session: Session, runtime: Runtime, values: Mapping[str, Any]) -> RuleFields:
    try:
        fields = RuleFields.model_validate(dict(values))
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None
    flaws = _unknown(session, fields)
    for place, id_ in enumerate(fields.channels):
        channel = session.get(AlertChannel, id_)
        if channel and channel.kind != "webhook" and not behind(runtime, channel.kind, channel.route):
            text = Message.of(
                N_("The route of the channel %(name)s has no enabled service."), name=channel.name
            )
            flaws.append(Flaw.at("channels", place, code="empty", message=text))
    if not flaws and fields.services and deaf(session, runtime, fields):
        text = Message.of(
            N_("All these channels need the services that are watched: if they fail, nobody hears of it.")
        )
        flaws.append(Flaw.at("channels", code="loop", message=text))
    if flaws:
        raise Invalid(flaws)
    return fields


def _unknown(session: Session, fields: RuleFields) -> list[Flaw]:
    chosen = select(Service.service_id).where(
        Service.service_id.in_(fields.services), Service.deleted_at.is_(None)
    )
    channels = set(
        session.scalars(select(AlertChannel.channel_id).where(AlertChannel.channel_id.in_(fields.channels)))
    )
    flaws = []
    if set(fields.services) - set(session.scalars(chosen)):
        flaws.append(Flaw.at("services", code="choice", message=Message.of(N_("There is no such service."))))
    if set(fields.channels) - channels:
        flaws.append(
            Flaw.at("channels", code="choice", message=Message.of(N_("There is no such alert channel.")))
        )
    return flaws


def _require_free_name(session: Session, name: str, but: str | None = None) -> None:
    other = session.scalar(select(AlertRule.rule_id).where(AlertRule.name == name))
    if other is not None and other != but:
        message = Message.of(N_("There is already a rule called %(name)s."), name=name)
        raise Conflict("NAME_TAKEN", message, [Flaw.at("name", code="taken", message=message)])


def _note(session: Session, runtime: Runtime, rule: AlertRule, actor: str, action: str) -> None:
    detail = {"name": rule.name, "states": list(rule.states), "channels": list(rule.channels)}
    audit.append(session, runtime, actor=actor, action=action, target=rule.rule_id, detail=detail)
