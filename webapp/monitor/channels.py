"""Alert channels: a route of Patchbay itself with recipients, or a webhook anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, Operation, N_
from adapters.kit.operation import ParamsInvalid
from adapters.kit.syntax import single_line, web_address
from webapp.db import begin_write
from webapp.engine.candidates import Candidate, find_candidates
from webapp.models.alert import AlertChannel, AlertRule
from webapp.models.health import ServiceHealth
from webapp.models.secret import Secret
from webapp.monitor import claims
from webapp.monitor.states import OUTAGES
from webapp.monitor.words import LOCALES
from webapp.registry.errors import Conflict, Flaw, Invalid, NotFound
from webapp.registry.fields import Strict, flaws_of
from webapp.registry.shape import moment
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

LOCK = "alerts"
OPERATIONS = {"email": "email.send", "sms": "sms.send", "http": "http.request"}
CONTRACTS = {"email": "EMAIL_SERVICE", "sms": "SMS_SERVICE", "http": "HTTP_SERVICE"}
Line = Annotated[str, AfterValidator(single_line)]


class ChannelFields(Strict):
    """A channel as it is asked for."""

    name: Annotated[Line, Field(min_length=1, max_length=120)]
    kind: Literal["email", "sms", "http", "webhook"]
    route: Annotated[Line, Field(max_length=80)] | None = Field(
        default=None, description="A route, service type, contract or id of a service; not for webhooks."
    )
    recipients: list[Annotated[Line, Field(min_length=1, max_length=254)]] = Field(default=[], max_length=50)
    path: Annotated[Line, Field(max_length=2000)] = Field(
        default="/", description="For `http`: where to post."
    )
    template: Annotated[Line, Field(max_length=100)] = Field(
        default="", description="For `sms`, where needed."
    )
    locale: Literal["en", "zh_Hans_CN"] = "en"
    url: Annotated[str, Field(max_length=2048), AfterValidator(web_address)] | None = Field(
        default=None, description="For `webhook`; stored sealed and never shown again."
    )


assert set(LOCALES) == {"en", "zh_Hans_CN"}


def create(session: Session, runtime: Runtime, values: Mapping[str, Any], *, actor: str) -> AlertChannel:
    """Add a channel. Raises Invalid, Conflict (NAME_TAKEN) or KeysLocked. The caller commits."""
    fields = _checked(runtime, values, need_url=True)
    begin_write(session, LOCK)
    _require_free_name(session, fields.name)
    channel = AlertChannel(name=fields.name, created_at=runtime.clock.now(), options={}, recipients=[])
    _fill(channel, fields)
    session.add(channel)
    session.flush()
    _seal(session, runtime, channel, fields.url, actor)
    _note(session, runtime, channel, actor, "alert_channel.create")
    return channel


def update(
    session: Session,
    runtime: Runtime,
    channel: AlertChannel,
    values: Mapping[str, Any],
    *,
    actor: str,
    expected_revision: int | None = None,
) -> None:
    """Replace what a channel is; a webhook's address stays unless one is given. Raises as `create`, and Stale."""
    fields = _checked(runtime, values, need_url=channel.secret_id is None)
    claim(session, channel, expected_revision)
    _require_free_name(session, fields.name, but=channel.channel_id)
    _fill(channel, fields)
    channel.failed_at = channel.failure = channel.tested_at = None
    _seal(session, runtime, channel, fields.url, actor)
    _note(session, runtime, channel, actor, "alert_channel.update")


def delete(
    session: Session,
    runtime: Runtime,
    channel: AlertChannel,
    *,
    actor: str,
    expected_revision: int | None = None,
) -> None:
    """Remove a channel that no rule uses. Raises Invalid and Stale. The caller commits."""
    claim(session, channel, expected_revision)
    using = [rule.name for rule in session.scalars(select(AlertRule)) if channel.channel_id in rule.channels]
    if using:
        text = Message.of(N_("The rule %(name)s uses it: change that first."), name=using[0])
        raise Invalid([Flaw("", "used", text)])
    _note(session, runtime, channel, actor, "alert_channel.delete")
    secret = session.get(Secret, channel.secret_id) if channel.secret_id else None
    session.delete(channel)
    session.flush()
    if secret is not None:
        session.delete(secret)


def claim(session: Session, row: AlertChannel | AlertRule, expected: int | None) -> None:
    """Make this the next revision of a channel or a rule; raises Stale when it is not the one that was seen."""
    claims.claim(session, row, expected, lock=LOCK, gone=N_("There is no such alert channel or rule."))


def find(session: Session, channel_id: str) -> AlertChannel:
    """One channel; raises NotFound."""
    channel = session.get(AlertChannel, channel_id)
    if channel is None:
        raise NotFound(Message.of(N_("There is no such alert channel.")), "NOT_FOUND")
    return channel


def listed(session: Session) -> Sequence[AlertChannel]:
    """All channels, by name."""
    return session.scalars(select(AlertChannel).order_by(AlertChannel.name)).all()


def behind(runtime: Runtime, kind: str, route: str | None) -> list[Candidate]:
    """The services that a channel of Patchbay's own would use, in order; those that cannot be used are left out."""
    if kind not in OPERATIONS or not route:
        return []
    picture = runtime.snapshots.current()
    found = find_candidates(picture, runtime.catalog, OPERATIONS[kind], CONTRACTS[kind], [route])
    return [candidate for candidate in found if candidate.skip is None]


def sound(session: Session, candidates: Sequence[Candidate], *, without: str | None = None) -> list[str]:
    """The ids of those that are neither broken nor the one the alert is about."""
    ids = [one.service_id for one in candidates if one.service_id and one.service_id != without]
    broken = select(ServiceHealth.service_id).where(
        ServiceHealth.service_id.in_(ids), ServiceHealth.state.in_(OUTAGES)
    )
    return [id_ for id_ in ids if id_ not in set(session.scalars(broken))]


def to_dict(channel: AlertChannel) -> dict[str, Any]:
    """A channel as JSON; of a webhook's address only that there is one."""
    return {
        "channel_id": channel.channel_id,
        "revision": channel.revision,
        "name": channel.name,
        "kind": channel.kind,
        "route": channel.route,
        "recipients": list(channel.recipients),
        **{name: channel.options.get(name) for name in ("path", "template", "locale")},
        "url_is_set": channel.secret_id is not None,
        "worked_at": moment(channel.worked_at),
        "failed_at": moment(channel.failed_at),
        "failure": channel.failure,
        "tested_at": moment(channel.tested_at),
    }


def _checked(runtime: Runtime, values: Mapping[str, Any], *, need_url: bool) -> ChannelFields:
    try:
        fields = ChannelFields.model_validate(dict(values))
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None
    flaws = []
    if fields.kind == "webhook":
        if fields.url is None and need_url:
            flaws.append(_flaw("url", "missing", N_("Say where the webhook is.")))
    elif not behind(runtime, fields.kind, fields.route):
        flaws.append(_flaw("route", "choice", N_("No enabled service of this kind stands behind this name.")))
    if fields.kind in {"email", "sms"} and not fields.recipients:
        flaws.append(_flaw("recipients", "missing", N_("Say who is told.")))
    flaws += _params_flaws(runtime, fields)
    if flaws:
        raise Invalid(flaws)
    return fields


def _params_flaws(runtime: Runtime, fields: ChannelFields) -> list[Flaw]:
    """Let the contract itself judge recipients and path: it will when the alert is sent."""
    found = runtime.catalog.operation(OPERATIONS.get(fields.kind, ""))
    if found is None:
        return []
    if fields.kind == "http":
        params: dict[str, Any] = {"method": "POST", "path": fields.path, "json": {}}
        return [] if _parses(found[1], params) else [_flaw("path", "invalid", N_("This is not a path."))]
    for recipient in fields.recipients:
        params = {"to": [recipient], "subject": "x"} if fields.kind == "email" else {"to": recipient}
        if not _parses(found[1], params | {"text": "x"}):
            text = Message.of(N_("%(value)s is not an address of this kind."), value=recipient)
            return [Flaw.at("recipients", code="invalid", message=text)]
    return []


def _parses(operation: Operation, params: Mapping[str, Any]) -> bool:
    try:
        operation.parse(params)
    except ParamsInvalid:
        return False
    return True


def _fill(channel: AlertChannel, fields: ChannelFields) -> None:
    channel.name, channel.kind, channel.route = fields.name, fields.kind, fields.route
    channel.recipients = list(fields.recipients)
    channel.options = {"path": fields.path, "template": fields.template, "locale": fields.locale}


def _seal(session: Session, runtime: Runtime, channel: AlertChannel, url: str | None, actor: str) -> None:
    if url is None:
        return
    secret = runtime.vault.seal(
        session, scope="alerts", owner_type="alert_channel", owner_id=channel.channel_id, field="url",
        value=url, actor=actor,
    )  # fmt: skip
    session.flush()
    channel.secret_id = secret.id


def _require_free_name(session: Session, name: str, but: str | None = None) -> None:
    other = session.scalar(select(AlertChannel.channel_id).where(AlertChannel.name == name))
    if other is not None and other != but:
        message = Message.of(N_("There is already an alert channel called %(name)s."), name=name)
        raise Conflict("NAME_TAKEN", message, [Flaw.at("name", code="taken", message=message)])


def _flaw(name: str, code: str, text: str) -> Flaw:
    return Flaw.at(name, code=code, message=Message.of(text))


def _note(session: Session, runtime: Runtime, channel: AlertChannel, actor: str, action: str) -> None:
    detail = {"name": channel.name, "kind": channel.kind, "route": channel.route}
    audit.append(session, runtime, actor=actor, action=action, target=channel.channel_id, detail=detail)
