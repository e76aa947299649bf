"""What came back from a provider becomes a link: a new one, the same one anew, or another account in its place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from adapters.kit.accounts import Account, Grant
from webapp.db import begin_write
from webapp.ids import uuid7
from webapp.links import ending, renewing, sealed
from webapp.links.errors import LinkRefused
from webapp.links.reading import provider_of
from webapp.models.link import Link, LinkAttempt
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.models.user import User
from webapp.vault import audit
from webapp.vault.errors import VaultError

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_TAKEN = N_("This account is linked by somebody else here already. An account can belong to one person only.")
_OTHER = N_("You signed in with %(offered)s, but %(linked)s is linked. Nothing was changed.")
_LOCKED = N_(
    "The link cannot be kept at the moment, because the key for secrets is away. Please try again later."
)


@dataclass(frozen=True, slots=True)
class Linked:
    """What coming back led to. `outcome` is linked (new), renewed (same account) or changed (another one).

    `missing` are the scopes that the person did not grant; `target` is where they wanted to go on.
    """

    link_id: str
    service_id: str
    outcome: str
    account_label: str
    missing: tuple[str, ...]
    target: str


def keep(runtime: Runtime, attempt: LinkAttempt, grant: Grant) -> Linked:
    """Keep what was granted, or raise LinkRefused; then nothing of it stays anywhere."""
    assert grant.account is not None
    try:
        with runtime.sessions() as session:
            begin_write(session, f"links {attempt.service_id}")
            linked, before = _keep(session, runtime, attempt, grant, grant.account)
            session.commit()
    except IntegrityError:
        raise LinkRefused("account_taken", Message.of(_TAKEN), reason="two at once") from None
    except VaultError as error:
        raise LinkRefused("locked", Message.of(_LOCKED), reason=str(error)) from error
    except LinkRefused as refused:
        if refused.code == "other_account":
            ending.give_back(
                runtime, attempt.service_id, sealed.Tokens(grant.access_token, grant.refresh_token)
            )
        raise
    if before is not None:
        ending.give_back(runtime, attempt.service_id, before)
    return linked


def _keep(
    session: Session, runtime: Runtime, attempt: LinkAttempt, grant: Grant, account: Account
) -> tuple[Linked, sealed.Tokens | None]:
    """The link, and the tokens of the account that it replaces."""
    _refuse_taken(session, attempt, account)
    link = session.scalar(
        select(Link).where(
            Link.user_id == attempt.user_id, Link.service_id == attempt.service_id, Link.ended_at.is_(None)
        )
    )
    before, outcome = None, "linked" if link is None else "renewed"
    if link is not None and link.account_id != account.account_id:
        _refuse_unasked(attempt, link, account)
        before, outcome = sealed.get(session, runtime, link.link_id), "changed"
        ending.end(session, runtime, link)
        session.flush()
        link = None
    link = link or _new(attempt, account)
    _fill(session, runtime, link, grant, account)
    session.add(link)
    session.flush()
    sealed.put(
        session,
        runtime,
        link.link_id,
        link.service_id,
        sealed.Tokens(grant.access_token, grant.refresh_token),
    )
    email = session.scalar(select(User.email).where(User.user_id == link.user_id)) or link.user_id
    audit.append(
        session, runtime, actor=email, action=f"link.{outcome}", target=f"service:{link.service_id}",
        detail={"link": link.link_id},
    )  # fmt: skip
    missing = tuple(scope for scope in link.asked if scope not in link.scopes)
    return (
        Linked(link.link_id, link.service_id, outcome, link.account_label, missing, attempt.target),
        before,
    )


def _refuse_taken(session: Session, attempt: LinkAttempt, account: Account) -> None:
    """What came back is dropped, not revoked: that could end the link of the person who has it."""
    other = select(Link.link_id).where(
        Link.service_id == attempt.service_id,
        Link.account_id == account.account_id,
        Link.user_id != attempt.user_id,
        Link.ended_at.is_(None),
    )
    if session.scalar(other):
        raise LinkRefused("account_taken", Message.of(_TAKEN), offered=account.label)


def _refuse_unasked(attempt: LinkAttempt, link: Link, account: Account) -> None:
    choice = choice_of(attempt.service_id, account.account_id)
    if attempt.account_hash != choice:
        text = Message.of(_OTHER, offered=account.label, linked=link.account_label)
        raise LinkRefused(
            "other_account", text, linked=link.account_label, offered=account.label, choice=choice
        )


def choice_of(service_id: str, account_id: str) -> str:
    """What stands for an account while its owner is asked whether they want to change to it."""
    return hashlib.sha256(f"{service_id}\0{account_id}".encode()).hexdigest()


def _new(attempt: LinkAttempt, account: Account) -> Link:
    return Link(
        link_id=uuid7(), user_id=attempt.user_id, service_id=attempt.service_id, account_id=account.account_id,
        generation=0,
    )  # fmt: skip


def _fill(session: Session, runtime: Runtime, link: Link, grant: Grant, account: Account) -> None:
    """Write down what is granted now; whatever was wrong before is over."""
    service = session.get_one(Service, link.service_id)
    provider = provider_of(runtime, service.service_type)
    now = runtime.clock.now()
    link.account_label = account.label
    link.asked = provider.scopes_of(service.configurations) if provider else []
    link.scopes = list(grant.scopes) if grant.scopes is not None else list(link.asked)
    if link.generation == 0:
        link.linked_at = now
    link.generation += 1
    link.asked_again_at = None
    values = renewing.lifetimes(now, grant, used_at=now, link_id=link.link_id) | renewing.healed()
    for name, value in values.items():
        setattr(link, name, value)
