"""What sealing costs: single secrets, and moving ten thousand of them to newer keys.

.venv/bin/python -m bench.crypto            # 10,000 data keys and secrets; as many data keys at OpenBao, if it is here
.venv/bin/python -m bench.crypto 2000

Times are the best of several runs where that is possible. Keys and database are in a temporary directory; OpenBao
is a development server on loopback, that of the tests.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.orm import Session

from adapters.kit import SystemClock
from tests.needs import OPENBAO
from webapp import db
from webapp.config import Config
from webapp.ids import uuid7
from webapp.keyconfig import KeyPlaces
from webapp.models.secret import DataKey, Secret
from webapp.runtime import Runtime
from webapp.vault import rotation, rows
from webapp.vault.many import wrapped
from webapp.vault.provider import KeyContext
from webapp.vault.rotation import Batch

VALUE = "SG.a-key-of-usual-length-0123456789-0123456789-0123456789-01234567"
PLACE = {"owner_type": "bench", "field": "api_key"}


@contextmanager
def house(**settings: object) -> Iterator[Runtime]:
    """A fresh installation."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        config = Config(data_dir=data, database_url=f"sqlite:///{folder}/p.sqlite3", **settings)
        runtime = Runtime.create(config, SystemClock())
        db.upgrade(runtime.engine)
        runtime.vault.prepare()
        yield runtime
        runtime.engine.dispose()


def best(work: Callable[[], object], times: int = 200, before: Callable[[], object] = lambda: None) -> float:
    """The best time of one run in microseconds; what has to be done before each is not counted."""
    found = float("inf")
    for _ in range(times):
        before()
        began = time.perf_counter()
        work()
        found = min(found, time.perf_counter() - began)
    return found * 1e6


def report(name: str, number: float, unit: str) -> None:
    print(f"{name:<66} {number:>10,.1f} {unit}", flush=True)


def single(runtime: Runtime, where: str) -> None:
    """One secret: sealed, opened with its data key at hand, opened when the provider has to be asked."""
    vault = runtime.vault
    with runtime.sessions() as session:
        place = {"scope": "svc:one", "owner_id": "one", "value": VALUE, "actor": "bench", **PLACE}
        secret = vault.seal(session, **place)
        session.commit()
        report(
            f"seal one secret and flush its row, {where}", best(lambda: vault.seal(session, **place)), "µs"
        )
        session.rollback()
        held = session.get(Secret, secret.id)
        assert held
        owner = session.get_one(DataKey, held.dek_id)
        key = vault.key_of(owner)
        report("  of it, the sealing", best(lambda: rows.sealed(held, key, str(held.dek_id), VALUE)), "µs")
        opening(runtime, session, held, owner, where)


def opening(runtime: Runtime, session: Session, held: Secret, owner: DataKey, where: str) -> None:
    """Opening alone, then with its rows read from the database each time."""
    vault = runtime.vault

    def opened() -> None:
        rows.unseal_from(held, vault.key_of(owner), owner.id)

    def read() -> None:
        session.expunge_all()
        vault.open(session, held.id)

    report("open, data key cached", best(opened), "µs")
    report(f"open, data key unwrapped by {where}", best(opened, 50, before=vault.forget), "µs")
    report("open with its rows read, data key cached", best(read), "µs")
    report(
        f"open with its rows read, data key unwrapped by {where}", best(read, 50, before=vault.forget), "µs"
    )


def fill_keys(runtime: Runtime, count: int) -> None:
    """Make data keys, each for a scope of its own."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        primary = rows.primary_id(session)
        keys = runtime.vault.keys
        session.add_all(rows.new_key(keys, primary, f"svc:{number}", now) for number in range(count))
        session.commit()


def fill_keys_together(runtime: Runtime, count: int) -> None:
    """The same, wrapped many at once: the filling is not what is measured."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        primary = rows.primary_id(session)
        assert primary
        names = [(uuid7(), f"svc:{number}") for number in range(count)]
        contexts = [(os.urandom(32), KeyContext.of(name, scope)) for name, scope in names]
        blobs = wrapped(runtime.vault.keys.get(primary), contexts)
        session.add_all(
            DataKey(id=name, scope=scope, kek_id=primary, wrapped=blob, created_at=now, enc_count=0, rev=1)
            for (name, scope), blob in zip(names, blobs, strict=True)
        )
        session.commit()


def fill_secrets(runtime: Runtime, count: int, scopes: int = 50) -> None:
    """Seal secrets under a few data keys."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        owners = [
            (key, runtime.vault.key_of(key))
            for key in (rows.active_key(session, runtime.vault.keys, f"many:{n}", now) for n in range(scopes))
        ]
        for number in range(count):
            data_key, key = owners[number % scopes]
            secret = Secret(id=uuid7(), owner_id=str(number), version=1, created_by="bench", **PLACE)
            secret.created_at, secret.dek_id = now, data_key.id
            rows.seal_into(secret, key, VALUE)
            session.add(secret)
        session.commit()


def passing(name: str, batches: Iterable[Batch], expected: int) -> None:
    """Report a whole pass; every row has to be moved."""
    began, worked = time.perf_counter(), time.process_time()
    done = sum(batch.done for batch in batches)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    assert done >= expected, f"{done} of {expected}"
    report(
        f"{name} ({done:,})",
        took,
        f"s = {took / done * 1e6:,.0f} µs each; {worked:.1f} s of it work in this process",
    )


def local(count: int) -> None:
    """Everything with a key file."""
    with house() as runtime:
        single(runtime, "the key file")
        fill_keys(runtime, count)
        passing("wrap data keys anew, key file", rotation.rewrap(runtime, everything=True), count)
        with runtime.sessions() as session:
            session.execute(delete(DataKey).where(DataKey.scope.like("svc:%"), DataKey.scope != "svc:one"))
            session.commit()
        fill_secrets(runtime, count)
        for _ in rotation.rotate(runtime, before=runtime.clock.now() + timedelta(seconds=1)):
            pass
        passing("seal secrets anew", rotation.reencrypt(runtime), count)


def remote(count: int) -> None:
    """What asks its provider, with OpenBao."""
    from tests.peers.openbao import OpenBao  # noqa: PLC0415 - it needs a package that not everybody has

    server = OpenBao()
    try:
        places = KeyPlaces(vault=server.settings())
        with house(key_provider="vault-transit", places=places) as runtime:
            single(runtime, "OpenBao")
            fill_keys_together(runtime, count)
            passing("wrap data keys anew, OpenBao", rotation.rewrap(runtime, everything=True), count)
    finally:
        server.stop()


def main() -> None:
    """Run all."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    local(count)
    if OPENBAO.exists():
        remote(count)


if __name__ == "__main__":
    main()
