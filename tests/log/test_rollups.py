"""The roll-ups: sums that equal the rows whatever was written, how often, and by whom; read over any range of time."""

from __future__ import annotations

import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from tests.logfiles import ask, change, empty
from webapp.ids import id_at
from webapp.log import rollups_read
from webapp.log.batch import batch_of
from webapp.log.metrics import RANGES, MetricStore
from webapp.log.records import stamp
from webapp.log.rollups import GRAINS, settle, tally_of
from webapp.log.rollups_buckets import at_most, bucket_of, middle_of, percentile
from webapp.log.rollups_read import KEPT_S, cover
from webapp.log.rollups_repair import prune, repair
from webapp.log.rollups_tables import SPREADS, SUMS, days, fresh, hours, minutes, totals
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S, Place, Tally, coarser, count
from webapp.log.tables import call_logs, calls, log_days
from webapp.log.writer import write

START = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
NAMES = ("scope", "key", "start_s", *SUMS, *SPREADS)
DIED = {"outcome": "unknown", "code": "AMBIGUOUS_OUTCOME", "error_message": "process_died"}


def opening(number, at, operation="email.send", contract="EMAIL_SERVICE"):
    return {
        "call_id": id_at(START) + number, "created_at": stamp(at), "operation": operation, "contract": contract,
        "outcome": "pending", "attempts": 0,
    }  # fmt: skip


def beginning(number, try_, at, service="s-1"):
    return {
        "log_id": id_at(START) + number * 100 + try_, "call_id": id_at(START) + number, "kind": "attempt",
        "attempt_no": try_, "candidate_no": try_, "service_id": service, "request_timestamp": stamp(at),
        "outcome": "pending", "sandbox": False,
    }  # fmt: skip


def ending(number, try_, at, outcome="succeeded", took=120, cost=None):
    values = {
        "response_timestamp": stamp(at + timedelta(milliseconds=took)), "duration_ms": took, "outcome": outcome,
        "is_success": outcome == "succeeded", "code": None if outcome == "succeeded" else "VENDOR_TIMEOUT",
        "cost": cost,
    }  # fmt: skip
    return [id_at(START) + number * 100 + try_, values, None]


def closing(number, at, outcome="succeeded", tries=1, route=None, cost=None):
    values = {
        "finished_at": stamp(at), "outcome": outcome, "attempts": tries, "candidate_no": tries, "route": route,
        "code": None if outcome == "succeeded" else "VENDOR_TIMEOUT", "duration_ms": 150 * tries, "cost": cost,
    }  # fmt: skip
    return [id_at(START) + number, values]


def one_call(number=1, at=START, outcome="succeeded", **more):
    return {
        "open": opening(number, at), "begin": beginning(number, 1, at),
        "end": ending(number, 1, at, outcome), "close": closing(number, at, outcome, **more),
    }  # fmt: skip


def stored(connection, table):
    """The sums of a grain as they are read: with what waits to be added."""
    length_s = dict(GRAINS)[table] if table is not totals else 0
    found = {}
    for row in connection.execute(select(*(table.c[name] for name in NAMES))):
        found[Place(*row[:3])] = tally_of(row[3:])
    waiting = {}
    for row in connection.execute(select(*(fresh.c[name] for name in NAMES))):
        waiting.setdefault(Place(*row[:3]), Tally()).add(tally_of(row[3:]))
    for place, tally in coarser(waiting, length_s).items():
        found.setdefault(place, Tally()).add(tally)
    return {place: asdict(tally) for place, tally in found.items() if tally}


def counted(connection, length_s):
    """What the rows add up to."""
    tallies = count(
        ask(connection.engine, select(call_logs)),
        connection.execute(select(calls)).mappings().all(),
    )
    return {place: asdict(tally) for place, tally in coarser(tallies, length_s).items()}


def assert_equal_to_the_rows(engine):
    with engine.connect() as connection:
        for table, length_s in GRAINS:
            assert stored(connection, table) == counted(connection, length_s)


@pytest.fixture
def store(runtime, clock):
    clock.at = START + timedelta(minutes=30)
    return MetricStore(runtime.engine, clock)


@st.composite
def histories(draw):
    """The records of some calls in the order of each call, mixed, and where the batches are cut."""
    records = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        at = START + timedelta(seconds=draw(st.integers(0, 200_000)))
        outcome = st.sampled_from(["succeeded", "failed", "unknown"])
        tries = draw(st.integers(0, 3))
        service = draw(st.sampled_from(["s-1", "s-2"]))
        records.append({"open": opening(number, at, contract=draw(st.sampled_from(["EMAIL_SERVICE", None])))})
        for try_ in range(1, tries + 1):
            records.append({"begin": beginning(number, try_, at, service)})
            if draw(st.booleans()):  # its process was given up too early
                records.append(
                    {"end": [ending(number, try_, at)[0], DIED | {"response_timestamp": stamp(at)}, None]}
                )
            if draw(st.integers(0, 4)):
                took, cost = draw(st.integers(0, 700_000)), draw(st.sampled_from([None, 0, 35_000]))
                records.append({"end": ending(number, try_, at, draw(outcome), took, cost)})
        if draw(st.integers(0, 4)):
            route = draw(st.sampled_from([None, "mail"]))
            records.append({"close": closing(number, at, draw(outcome), tries, route)})
    cuts = sorted(draw(st.lists(st.integers(0, len(records)), max_size=4)))
    return [records[a:b] for a, b in zip([0, *cuts], [*cuts, len(records)], strict=True)]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(history=histories(), data=st.data())
def test_the_sums_equal_the_rows_whatever_is_repeated(runtime, history, data):
    empty(runtime.engine, calls, call_logs, log_days, minutes, hours, days, totals, fresh)
    for batch in history:
        for _ in range(data.draw(st.integers(1, 2))):
            write(runtime.engine, batch_of(batch))
        if data.draw(st.booleans()):
            with runtime.engine.begin() as connection:
                settle(connection)
    for batch in history:
        write(runtime.engine, batch_of(batch))

    assert_equal_to_the_rows(runtime.engine)


def test_writers_at_once_lose_nothing(runtime):
    def work(offset):
        for number in range(25):
            write(runtime.engine, batch_of([one_call(offset + number)]))
            with runtime.engine.begin() as connection:
                settle(connection)

    threads = [threading.Thread(target=work, args=[offset]) for offset in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert_equal_to_the_rows(runtime.engine)
    with runtime.engine.connect() as connection:
        assert rollups_read.ever(connection, "all")[""].total == 75


def test_a_latency_is_read_back_within_five_percent_and_rounding():
    edges = {round(2 ** (bucket / 8)) + more for bucket in range(31 * 8) for more in (-1, 0, 1)}

    for duration_ms in sorted(edges | set(range(1_000))):
        assert abs(middle_of(bucket_of(duration_ms)) - duration_ms) <= max(1, 0.05 * duration_ms + 0.5)


@settings(derandomize=True)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_those_of_the_latencies_within_five_percent(durations, share):
    latencies = {}
    for duration in durations:
        latencies[bucket_of(duration)] = latencies.get(bucket_of(duration), 0) + 1
    exact = sorted(durations)[max(-int(-len(durations) * share // 1), 1) - 1]

    assert abs(percentile(latencies, share) - exact) <= max(1, 0.05 * exact + 0.5)


@settings(derandomize=True)
@given(st.lists(st.integers(1, 10**6), max_size=50), st.integers(0, 20))
def test_counting_up_to_a_power_of_two_is_exact(durations, doublings):
    latencies = {}
    for duration in durations:
        latencies[bucket_of(duration)] = latencies.get(bucket_of(duration), 0) + 1

    assert at_most(latencies, doublings) == sum(duration <= 2**doublings for duration in durations)


def test_nothing_has_no_percentile():
    assert percentile({}, 0.95) is None
    assert Tally().success_rate is None


@settings(derandomize=True)
@given(st.integers(0, 500 * DAY_S), st.integers(0, 500 * DAY_S))
def test_a_cover_has_neither_gaps_nor_overlaps(back_s, length_s):
    now_s = int(START.timestamp()) + 12_345
    start_s = now_s - back_s
    end_s = min(start_s + length_s, now_s)

    parts = cover(start_s, end_s, now_s)

    for one, next_ in pairwise(parts):
        assert one.end_s == next_.start_s
    for part in parts:
        assert part.start_s % part.grain_s == part.end_s % part.grain_s == 0
        assert part.grain_s == DAY_S or part.start_s >= now_s - KEPT_S[part.grain_s] - DAY_S
    if parts and back_s < KEPT_S[MINUTE_S] and end_s < now_s:
        assert parts[0].start_s == start_s - start_s % MINUTE_S
        assert parts[-1].end_s == end_s - end_s % MINUTE_S
    assert len(parts) <= 5


def test_a_call_counts_for_everything_it_belongs_to(runtime, store):
    record = one_call(1, outcome="failed", tries=2, route="mail", cost=70_000)
    write(runtime.engine, batch_of([record]))

    for scope, key in (
        ("all", ""),
        ("operation", "email.send"),
        ("contract", "EMAIL_SERVICE"),
        ("route", "mail"),
    ):
        tally = store.between(scope, key, START, START + timedelta(minutes=1))
        assert (tally.total, tally.failed, tally.retries, tally.fallbacks, tally.cost) == (1, 1, 1, 1, 70_000)
        assert tally.codes == {"VENDOR_TIMEOUT": 1}
    service = store.between("service", "s-1", START, START + timedelta(minutes=1))
    assert (service.total, service.failed, service.retries, service.fallbacks) == (1, 1, 0, 0)
    assert service.percentile(0.5) == pytest.approx(120, rel=0.05)


def test_tests_checks_and_local_refusals_are_no_calls(runtime, store):
    for number, kind in enumerate(("test", "health", "local", "transition"), start=1):
        row = beginning(number, 1, START) | ending(number, 1, START)[1] | {"kind": kind}
        write(runtime.engine, batch_of([{"begin": row}]))

    assert store.between("service", "s-1", START, START + timedelta(minutes=1)) == Tally()


@pytest.mark.parametrize("name", RANGES)
def test_a_range_shows_every_call_in_its_step_and_zeros_between(runtime, store, clock, name):
    wanted = RANGES[name]
    clock.at = START + timedelta(hours=3, minutes=17, seconds=29)
    end_s = int(clock.now().timestamp())
    first = datetime.fromtimestamp(wanted.start_s(end_s), UTC)
    step = timedelta(seconds=wanted.step_s)
    moments = [first, first + step * 2, first + step * 2 + timedelta(seconds=30), clock.now()]
    for number, at in enumerate(moments, start=1):
        write(runtime.engine, batch_of([one_call(number, at)]))
    write(runtime.engine, batch_of([one_call(9, first - timedelta(seconds=1))]))

    seen = store.look(name, "all")

    expected = [0] * wanted.count
    for at in moments:
        expected[int((at - first) / step)] += 1
    assert [tally.total for tally in seen.steps] == expected
    assert seen.now.total == len(moments)
    assert len(seen.starts) == wanted.count


@pytest.mark.parametrize(("name", "known"), [("1h", True), ("24h", True), ("90d", True), ("400d", False)])
def test_a_range_is_held_against_as_long_a_time_before(runtime, store, clock, name, known):
    clock.at = START + timedelta(hours=3, minutes=17, seconds=29)
    now_s = int(clock.now().timestamp())
    first = datetime.fromtimestamp(RANGES[name].start_s(now_s), UTC)
    elapsed = clock.now() - first
    inside = [first - timedelta(minutes=1), first - elapsed + timedelta(minutes=2)]
    outside = first - elapsed - timedelta(days=2)
    for number, at in enumerate([*inside, outside], start=1):
        write(runtime.engine, batch_of([one_call(number, at)]))

    before = store.look(name, "all").before

    assert (before.total if before else None) == (len(inside) if known else None)


def test_the_busiest_come_first(runtime, store):
    for number in range(6):
        record = one_call(number + 1)
        record["begin"]["service_id"] = "s-1" if number < 2 else "s-2"
        write(runtime.engine, batch_of([record]))

    assert [(key, tally.total) for key, tally in store.busiest("1h", "service")] == [("s-2", 4), ("s-1", 2)]
    assert store.busiest("1h", "service", limit=1)[0][1].latencies == {bucket_of(120): 4}
    assert store.rates() == {"s-1": (2, 2), "s-2": (4, 4)}


def spoil(engine):
    """What a mistake or a restored backup may leave: sums that say something else than the rows."""
    with engine.begin() as connection:
        settle(connection)
        connection.execute(update(minutes).values(total=minutes.c.total + 3))
        connection.execute(update(hours).values(total=hours.c.total + 3))
        connection.execute(update(days).values(total=days.c.total + 3))
        connection.execute(update(totals).values(total=totals.c.total + 3))


def test_repairing_makes_the_sums_equal_the_rows(runtime, clock):
    clock.at = START + timedelta(hours=1)
    for number in range(4):
        write(runtime.engine, batch_of([one_call(number + 1)]))
    spoil(runtime.engine)

    wrong = repair(runtime.engine, clock.now(), START - timedelta(hours=1))

    assert wrong == 4  # the service, the operation, the contract and all
    assert_equal_to_the_rows(runtime.engine)
    assert repair(runtime.engine, clock.now(), START - timedelta(hours=1)) == 0


def test_repairing_counts_rows_that_nobody_counted(runtime, clock):
    clock.at = START + timedelta(days=4)
    write(runtime.engine, batch_of([one_call(1)]))
    with runtime.engine.begin() as connection:
        for table in (minutes, hours, days, totals, fresh):
            connection.execute(delete(table))

    repair(runtime.engine, clock.now(), START - timedelta(days=1))

    with runtime.engine.connect() as connection:
        assert stored(connection, hours) == counted(connection, HOUR_S)
        assert stored(connection, days) == counted(connection, DAY_S)
        assert stored(connection, minutes) == {}  # they are past their time


def test_repairing_leaves_alone_what_outlived_its_rows(runtime, clock):
    clock.at = START + timedelta(days=40)
    write(runtime.engine, batch_of([one_call(1), one_call(2, START + timedelta(days=35))]))
    with runtime.engine.begin() as connection:
        connection.execute(delete(calls).where(calls.c.created_at == START))
    change(runtime.engine, delete(call_logs).where(call_logs.c.request_timestamp == START))

    repair(runtime.engine, clock.now(), START - timedelta(days=1))

    with runtime.engine.connect() as connection:
        assert rollups_read.ever(connection, "all")[""].total == 2


def test_each_grain_is_forgotten_after_its_time(runtime, clock):
    clock.at = START
    for number, age in enumerate((1, 3, 100, 500), start=1):
        write(runtime.engine, batch_of([one_call(number, START - timedelta(days=age))]))
    prune(runtime.engine, clock.now())

    with runtime.engine.connect() as connection:
        kept = {
            table.name: len(connection.execute(select(table.c.key).where(table.c.scope == "all")).all())
            for table, _ in GRAINS
        }
    assert kept == {"rollup_minutes": 1, "rollup_hours": 2, "rollup_days": 3, "rollup_totals": 1}
