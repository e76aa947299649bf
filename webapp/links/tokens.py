"""Fresh tokens for calls on behalf of people."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from sqlalchemy import bindparam, or_, select

from adapters.kit import Message, N_
from adapters.kit.behalf import Behalf
from webapp.engine.behalf import LinkUnusable
from webapp.links import renewing, sealed
from webapp.links.reading import ACTIVE
from webapp.links.usage import UsageBook
from webapp.models.link import Link, LinkTokens
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.models.user import User
from webapp.vault.errors import VaultError

if TYPE_CHECKING:
    from webapp.runtime import Runtime

# Made once: a query of this width takes longer to build than to answer.
_READ = (
    select(*Link.__table__.c, LinkTokens.dek_id, LinkTokens.ct, User.email, Service.service_name)
    .join(User, User.user_id == Link.user_id)
    .join(Service, Service.service_id == Link.service_id)
    .outerjoin(LinkTokens, LinkTokens.id == Link.link_id)
    .where(Link.service_id == bindparam("service"), Link.ended_at.is_(None), User.is_active.is_(True))
    .where(or_(User.user_id == bindparam("person"), User.email == bindparam("email")))
)
WAIT_S = 20.0
_LOOK_AGAIN_S = 0.05
_SOON_S = 5.0


@dataclass(frozen=True, slots=True)
class PersonToken:
    """A token of a person that works now. Holds a secret: never stored, never shown."""

    link_id: str
    service_id: str
    user_id: str
    email: str
    account_id: str
    access_token: SecretStr
    expires_at: datetime | None
    scopes: tuple[str, ...]
    can_refresh: bool
    generation: int
    doubted: bool = False

    @property
    def behalf(self) -> Behalf:
        """What a wire carries to the adapter."""
        return Behalf(self.access_token, self.account_id)


@dataclass
class _Flight:
    """One renewal under way in this process."""

    over: threading.Event = field(default_factory=threading.Event)
    outcome: str = renewing.BUSY


class Links:
    """The links of people, as calls see them. One per process; any number of threads may ask at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        self.usage = UsageBook(runtime)

    def token(
        self, person: str, service_id: str, *, refused: int | None = None, within_s: float = WAIT_S
    ) -> PersonToken:
        """A token of a person (an id or an email address) at a service, renewed if it is about to end.

        `refused` is the generation of a token that the provider has just refused: another one is needed.
        Raises LinkUnusable.
        """
        ends = self._runtime.clock.monotonic() + min(within_s, WAIT_S)
        outcome = renewing.DONE
        while True:
            row = self._read(person, service_id)
            now = self._runtime.clock.now()
            usable = (row.expires_at is None or row.expires_at > now) and row.generation != refused
            if usable and (outcome != renewing.DONE or not _is_due(row, now)):
                return self._opened(row)
            if not row.can_refresh:
                if usable:
                    return self._opened(row)
                raise self._no_way(row, now)
            if row.failures and row.refresh_due_at and row.refresh_due_at > now:
                if usable:
                    return self._opened(row)
                raise _away((row.refresh_due_at - now).total_seconds())
            if outcome == renewing.FAILED or self._runtime.clock.monotonic() >= ends:
                raise _away(_SOON_S)
            outcome = self.renew(row.link_id, row.generation)
            if outcome == renewing.BUSY and not usable:
                self._runtime.clock.sleep(_LOOK_AGAIN_S)

    def renew(self, link_id: str, generation: int) -> str:
        """Renew a token, or wait for the thread of this process that does."""
        with self._lock:
            flight = self._flights.get(link_id)
            mine = flight is None
            if flight is None:
                flight = self._flights[link_id] = _Flight()
        if not mine:
            flight.over.wait(WAIT_S)
            return flight.outcome
        try:
            flight.outcome = renewing.renew(self._runtime, link_id, generation)
        finally:
            with self._lock:
                self._flights.pop(link_id, None)
            flight.over.set()
        return flight.outcome

    def used(self, token: PersonToken, point: str | None) -> None:
        """Note that a link was used, and by what."""
        self.usage.note(token.link_id, point or "")

    def refused(self, token: PersonToken) -> None:
        """The provider refused a token that could not be renewed."""
        renewing.refused_in_use(self._runtime, token.link_id, token.generation)

    def accepted(self, token: PersonToken) -> None:
        """The provider took a token; that ends any doubt about it."""
        if token.doubted:
            renewing.accepted_in_use(self._runtime, token.link_id, token.generation)

    def close(self) -> None:
        """Write down what was used and stop."""
        self.usage.close()

    def _read(self, person: str, service_id: str) -> Any:
        """The link with its sealed tokens; raises LinkUnusable."""
        with self._runtime.sessions() as session:
            row = session.execute(
                _READ, {"person": person, "email": _folded(person), "service": service_id}
            ).one_or_none()
        if row is None:
            raise LinkUnusable("LINK_MISSING", Message.of(N_("This person has linked no account there.")))
        if row.state != ACTIVE or row.ct is None:
            text = Message.of(N_("This person has to sign in at %(name)s again."), name=row.service_name)
            raise LinkUnusable("LINK_NEEDS_SIGN_IN", text)
        return row

    def _opened(self, row: Any) -> PersonToken:
        try:
            with self._runtime.sessions() as session:
                tokens = sealed.opened(session, self._runtime, row.link_id, row.dek_id, row.ct)
        except VaultError as error:
            text = Message.of(N_("The token of this person cannot be read; see the System page."))
            raise LinkUnusable("LINK_UNAVAILABLE", text, retry_after_s=_SOON_S) from error
        return PersonToken(
            row.link_id, row.service_id, row.user_id, row.email, row.account_id, SecretStr(tokens.access),
            row.expires_at, tuple(row.scopes), row.can_refresh, row.generation, doubted=row.refusals > 0,
        )  # fmt: skip

    def _no_way(self, row: Any, now: datetime) -> LinkUnusable:
        """A token that cannot be renewed was refused or ran out."""
        if row.expires_at is not None and row.expires_at <= now:
            renewing.ran_out(self._runtime, row.link_id, row.generation)
        text = Message.of(N_("This person has to sign in at %(name)s again."), name=row.service_name)
        return LinkUnusable("LINK_NEEDS_SIGN_IN", text)

    def services_of(self, person: str, service_ids: Sequence[str]) -> list[str]:
        """Of these services, those at which a person has a link."""
        query = select(Link.service_id).join(User, User.user_id == Link.user_id)
        query = query.where(Link.service_id.in_(list(service_ids)), Link.ended_at.is_(None))
        query = query.where(or_(User.user_id == person, User.email == _folded(person)))
        with self._runtime.sessions() as session:
            linked = set(session.scalars(query))
        return [service_id for service_id in service_ids if service_id in linked]


def _folded(person: str) -> str:
    """An email address as it is stored."""
    return person.strip().lower()


def _is_due(row: Any, now: datetime) -> bool:
    """Whether a token is near its end."""
    if row.expires_at is None:
        return False
    lifetime: timedelta = row.expires_at - (row.refreshed_at or row.linked_at)
    return bool(row.expires_at - renewing.margin(lifetime) <= now)


def _away(seconds: float) -> LinkUnusable:
    text = Message.of(N_("The provider does not renew the token of this person at the moment."))
    return LinkUnusable("LINK_UNAVAILABLE", text, retry_after_s=max(1.0, seconds))
