"""The columns that all models share, and the ids they carry."""

from __future__ import annotations

import multiprocessing
import threading
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError, StatementError

from webapp.ids import NODE_BITS, SEQUENCE_BITS, CallIds, call_id, id_at, moment_of, uuid7
from webapp.models import Service, ServiceHealth, User


def service(name="Mail", **values):
    return Service(service_name=name, service_type="EMAIL_PROVIDER_SMTP", contract="EMAIL_SERVICE", **values)


def test_moments_come_back_aware_and_in_utc(session):
    moment = datetime(2026, 1, 2, 11, 4, 5, 678901, tzinfo=timezone(timedelta(hours=8)))
    row = service(tested_at=moment)
    session.add(row)
    session.commit()
    session.expire_all()

    assert row.tested_at == moment
    assert row.tested_at.utcoffset() == timedelta(0)
    assert row.created_at.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(session):
    session.add(service(tested_at=datetime(2026, 1, 2)))  # noqa: DTZ001 - that is the point

    with pytest.raises(StatementError, match="has no time zone"):
        session.flush()


def test_a_new_service_has_the_defaults_of_its_table(session):
    row = service(configurations={"host": "mail", "端口": 25, "b": 1, "a": None})
    session.add(row)
    session.commit()
    session.expire_all()

    assert (row.is_enabled, row.health_interval_s, row.revision, row.sandbox) == (True, 60, 1, False)
    assert list(row.configurations) == ["host", "端口", "b", "a"]
    assert row.secrets == {}
    assert row.retry_policy is None
    assert row.scope == f"svc:{row.service_id}"


@pytest.mark.parametrize("other", ["mail", "MAIL", "Ｍａｉｌ"])
def test_names_that_differ_by_case_or_width_are_the_same(session, other):
    session.add_all([service("Mail"), service(other)])

    with pytest.raises(IntegrityError):
        session.flush()


def test_a_deleted_service_gives_its_name_back(session, clock):
    session.add_all([service("Mail", deleted_at=clock.now()), service("Mail")])
    session.commit()


def test_one_address_is_one_account(session):
    session.add_all(
        [User(email=" Lin@Example.com ", role="admin"), User(email="lin@example.com", role="viewer")]
    )

    with pytest.raises(IntegrityError):
        session.flush()


def test_the_database_keeps_references_whole(session, clock):
    session.add(ServiceHealth(service_id=uuid7(), state="healthy", since=clock.now()))

    with pytest.raises(IntegrityError):
        session.flush()


def test_uuids_are_of_version_7_and_sort_by_time():
    before = datetime.now(UTC)
    value = UUID(uuid7())

    assert (value.version, value.variant) == (7, "specified in RFC 4122")
    assert abs((value.int >> 80) - before.timestamp() * 1000) < 5000


def test_call_ids_grow_and_carry_their_time():
    ids = [call_id() for _ in range(10_000)]

    assert ids == sorted(set(ids))
    assert max(ids) < 2**63
    assert abs(moment_of(ids[0]) - datetime.now(UTC)) < timedelta(seconds=30)


def test_call_ids_of_a_moment_are_a_range():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert moment_of(id_at(moment)) == moment
    assert id_at(moment) < id_at(moment + timedelta(milliseconds=1))
    assert id_at(datetime(1900, 1, 1, tzinfo=UTC)) == 0


def test_threads_never_share_a_call_id():
    made, ids = [], CallIds()

    def make():
        made.extend([ids.next() for _ in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 8000


def test_a_forked_process_draws_its_own_number():
    receiver, sender = multiprocessing.Pipe(duplex=False)
    nodes = {node_of(call_id())}
    for _ in range(3):  # one draw in 1,024 is equal by chance
        process = multiprocessing.get_context("fork").Process(target=lambda: sender.send(node_of(call_id())))
        process.start()
        nodes.add(receiver.recv())
        process.join(10)

    assert len(nodes) > 1


def node_of(identifier):
    return identifier >> SEQUENCE_BITS & (1 << NODE_BITS) - 1
