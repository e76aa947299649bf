"""The life of a key-encryption key: added, promoted, retired, destroyed. Each step refuses what would lose secrets."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.kit.text import Message, N_
from webapp.db import begin_write
from webapp.ids import uuid7
from webapp.models.secret import DataKey, Kek
from webapp.vault import audit
from webapp.vault.errors import KeyStepRefused
from webapp.vault.heartbeat import living, next_epoch
from webapp.vault.provider import KeyContext, KeyDescription, KeyProvider
from webapp.vault.providers import add_key, remove_key

if TYPE_CHECKING:
    from webapp.runtime import Runtime

LOCK = "keystore"


def keks(session: Session) -> list[Kek]:
    """Every key that Patchbay ever used, oldest first."""
    return list(session.scalars(select(Kek).order_by(Kek.created_at, Kek.id)))


def find(session: Session, mark: str) -> Kek:
    """Return a key by its id or fingerprint; raises KeyStepRefused."""
    found = session.scalars(select(Kek).where((Kek.id == mark) | (Kek.fingerprint == mark))).first()
    if found is None:
        raise KeyStepRefused(Message.of(N_("There is no key %(mark)s."), mark=mark))
    return found


def add(session: Session, runtime: Runtime, *, actor: str, existing: str | None = None) -> Kek:
    """Register a further key: one that is configured but not registered, or a new one of the local provider.

    `existing` is the fingerprint of the one that is meant. Raises KeyStepRefused, KeyRefused, ProviderError.
    """
    begin_write(session, LOCK)
    runtime.vault.refresh()
    about = _chosen(session, runtime, existing)
    runtime.vault.refresh()
    _try_out(runtime.vault.keys.get(about.id))
    kek = Kek(id=about.id, kind=about.kind, uri=about.uri, fingerprint=about.fingerprint, state="decrypt")
    kek.created_at = runtime.clock.now()
    session.add(kek)
    session.flush()
    _audit(session, runtime, actor, "key.added", kek)
    return kek


def _chosen(session: Session, runtime: Runtime, existing: str | None) -> KeyDescription:
    known = set(session.scalars(select(Kek.id)))
    ready = [about for about in runtime.vault.keys.descriptions() if about.id not in known]
    if existing is not None:
        ready = [about for about in ready if existing in (about.fingerprint, about.id)]
        if not ready:
            text = N_("No key %(mark)s is configured here that is not registered yet.")
            raise KeyStepRefused(Message.of(text, mark=existing))
        return ready[0]
    wanted = [about for about in ready if about.kind == runtime.config.key_provider]
    return wanted[0] if wanted else add_key(runtime.config)


def _try_out(provider: KeyProvider) -> None:
    """Wrap and unwrap a data key, so that a key that cannot is found before secrets depend on it."""
    probe, context = secrets.token_bytes(32), KeyContext.of(uuid7(), "system")
    if provider.unwrap(provider.wrap(probe, context), context) != probe:
        text = N_("The key %(mark)s does not give back what it wrapped.")
        raise KeyStepRefused(Message.of(text, mark=provider.describe().fingerprint))


def promote(session: Session, runtime: Runtime, mark: str, *, actor: str) -> Kek:
    """Let a key wrap from now on; refused until every live process can use it."""
    begin_write(session, LOCK)
    kek = find(session, mark)
    if kek.state == "primary":
        raise KeyStepRefused(Message.of(N_("The key %(mark)s is in use already."), mark=kek.fingerprint))
    if kek.state == "destroyed" or kek.id not in runtime.vault.keys:
        raise KeyStepRefused(Message.of(N_("The key %(mark)s is not here."), mark=kek.fingerprint))
    _refuse_lagging(session, runtime, kek)
    _try_out(runtime.vault.keys.get(kek.id))
    for other in session.scalars(select(Kek).where(Kek.state == "primary")):
        other.state = "decrypt"
    session.flush()
    kek.state, kek.retired_at = "primary", None
    next_epoch(session)
    _audit(session, runtime, actor, "key.promoted", kek)
    return kek


def _refuse_lagging(session: Session, runtime: Runtime, kek: Kek) -> None:
    lagging = [
        f"{process.host}:{process.pid}"
        for process in living(session, runtime.clock.now())
        if kek.fingerprint not in process.fingerprints
    ]
    if lagging:
        text = N_(
            "These processes cannot use the key %(mark)s yet: %(processes)s. Give them the key; they notice within a minute."
        )
        raise KeyStepRefused(Message.of(text, mark=kek.fingerprint, processes=", ".join(lagging)))


def retire(session: Session, runtime: Runtime, mark: str, *, actor: str) -> Kek:
    """Take a key out of use; refused while a data key depends on it. It stays where it is, for old backups."""
    begin_write(session, LOCK)
    kek = find(session, mark)
    if kek.state != "decrypt":
        text = N_("The key %(mark)s is %(state)s; only a key that is no longer in use can be retired.")
        raise KeyStepRefused(Message.of(text, mark=kek.fingerprint, state=kek.state))
    _refuse_needed(session, kek)
    kek.state, kek.retired_at = "retired", runtime.clock.now()
    _audit(session, runtime, actor, "key.retired", kek)
    return kek


def _refuse_needed(session: Session, kek: Kek) -> None:
    count = select(func.count()).where(DataKey.kek_id == kek.id, DataKey.state != "destroyed")
    if needed := session.scalar(count):
        text = N_("%(count)s data keys are still wrapped by the key %(mark)s: rewrap them first.")
        raise KeyStepRefused(Message.of(text, count=needed, mark=kek.fingerprint))


def destroy(
    session: Session, runtime: Runtime, mark: str, *, actor: str, grace: timedelta | None = None
) -> Kek:
    """Delete a retired key for ever, after its grace time; backups older than its retirement stay closed then."""
    begin_write(session, LOCK)
    kek = find(session, mark)
    if kek.state != "retired" or kek.retired_at is None:
        raise KeyStepRefused(Message.of(N_("Retire the key %(mark)s first."), mark=kek.fingerprint))
    _refuse_needed(session, kek)
    grace = timedelta(days=runtime.config.key_grace_days) if grace is None else grace
    free = kek.retired_at + grace
    if runtime.clock.now() < free:
        text = N_("Backups may still need the key %(mark)s: it can be destroyed from %(when)s on.")
        raise KeyStepRefused(Message.of(text, mark=kek.fingerprint, when=f"{free:%Y-%m-%d %H:%M} UTC"))
    kek.state = "destroyed"
    _audit(session, runtime, actor, "key.destroyed", kek)
    session.flush()
    remove_key(runtime.config, kek.fingerprint)
    runtime.vault.refresh()
    return kek


def flush(session: Session, runtime: Runtime, *, actor: str) -> None:
    """Make every process ask the key providers again; what a provider revoked is closed within a beat."""
    next_epoch(session)
    runtime.vault.forget()
    audit.append(session, runtime, actor=actor, action="key.cache_flushed", target="keystore")


def _audit(session: Session, runtime: Runtime, actor: str, action: str, kek: Kek) -> None:
    detail = {"fingerprint": kek.fingerprint, "kind": kek.kind}
    audit.append(session, runtime, actor=actor, action=action, target=f"key:{kek.id}", detail=detail)
