"""The store behind the log: found by words on either database, counted once, taken away day by day."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, not_, or_, select, text, update
from sqlalchemy.exc import OperationalError

from adapters.kit import SystemClock
from tests.logfiles import change, change_bodies
from webapp import db
from webapp.ids import id_at
from webapp.log import newest
from webapp.log.batch import DIED, Batch
from webapp.log.days import day_of, known
from webapp.log.entries import Bodies
from webapp.log.filters import LogFilter
from webapp.log.ledger import Ledger
from webapp.log.query import LogStore
from webapp.log.records import stamp
from webapp.log.retention import Kept
from webapp.log.searchtext import matching, words_of
from webapp.log.tables import call_bodies, call_logs, calls
from webapp.log.words import words
from webapp.log.writer import stamped, write

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NUMBERS = count(1)


def attempt(at=START, *, log_id=None, **values):
    """A row as the journal has it, at a moment, with an id of that moment."""
    return stamped(
        {
            "log_id": log_id or id_at(at) + next(NUMBERS), "call_id": 1, "request_timestamp": at, "response_timestamp": at,
            "outcome": "succeeded", "is_success": True, "kind": "attempt", "service_id": "s-1", "duration_ms": 10, **values,
        }
    )  # fmt: skip


@pytest.fixture
def put(runtime):
    """Writes rows in one batch, with bodies for some; returns what that changed."""

    def put(*rows, bodies=()):
        kept = {row["log_id"]: Bodies(request_payload=f"body of {row['log_id']}") for row in bodies}
        return write(runtime.engine, Batch(rows={row["log_id"]: row for row in rows}, bodies=kept))

    return put


@pytest.fixture
def found(runtime):
    """The ids of attempts that fulfil conditions."""
    return lambda *conditions: [entry.log_id for entry in runtime.log.find(conditions, 1_000)]


def test_an_attempt_is_found_by_every_text_it_carries(put, found):
    row = attempt(
        request_endpoint="POST https://api.example.com/v3/mail/send", error_message="余额不足,请充值", code="VENDOR_RATE_LIMITED",
        vendor_code="isv.AMOUNT_NOT_ENOUGH", vendor_message="No such Number", vendor_request_id="req-77aa", recipient_mask="138****5678",
        operation="sms.send", integration_point="signup.welcome", correlation_id="order-4711", service_type="SMS_PROVIDER_ALIYUN",
        response_status_code=503, outcome="failed", is_success=False,
    )  # fmt: skip
    put(attempt(), row, attempt())

    for query in (
        "example mail", "余额", "额不足", "rate_limited", "amount", "SUCH number", "77AA", "5678", "sms.send", "welcome",
        "4711", "aliyun", "503",
    ):  # fmt: skip
        assert found(matching(words(query))) == [row["log_id"]], query
    assert found(matching(words("足余"))) == found(matching(words("mai"))) == []
    assert found(matching([])) == []
    assert len(found(not_(matching(words("余额"))))) == 2


def test_an_attempt_is_found_by_words_from_its_end_on_and_by_its_last_ones_only(runtime, put, found):
    open_row = attempt(response_timestamp=None, outcome="pending", is_success=None, operation="mail")
    put(open_row)
    assert found(matching(["mail"])) == []

    write(
        runtime.engine,
        Batch(row_changes={open_row["log_id"]: {**DIED, "response_timestamp": "2026-01-02 03:05:00"}}),
    )
    assert found(matching(["mail"])) == found(matching(words("process_died"))) == [open_row["log_id"]]

    late = {
        "response_timestamp": "2026-01-02 03:06:00",
        "outcome": "succeeded",
        "is_success": True,
        "error_message": "accepted",
    }
    changed = write(runtime.engine, Batch(row_changes={open_row["log_id"]: late}))
    ((before, after),) = changed.attempts.corrected
    assert (before["outcome"], after["outcome"], changed.attempts.ended) == ("unknown", "succeeded", [])
    assert found(matching(words("process_died"))) == []
    assert found(matching(["mail", "accepted"])) == [open_row["log_id"]]

    assert write(runtime.engine, Batch(row_changes={open_row["log_id"]: late})).attempts.corrected == []


def test_a_batch_that_is_repeated_counts_once(runtime, put):
    rows = [attempt(), attempt(response_timestamp=None, outcome="pending"), attempt()]

    first, again = (put(*rows, bodies=rows) for _ in range(2))

    assert [row["log_id"] for row in first.attempts.begun] == [row["log_id"] for row in rows]
    assert [row["log_id"] for row in first.attempts.ended] == [rows[0]["log_id"], rows[2]["log_id"]]
    assert first.attempts.ended[0]["request_timestamp"] == stamp(START)
    assert len(first.bodies) == 2
    assert (again.attempts.begun, again.attempts.ended, again.bodies) == ([], [], {})
    with runtime.engine.connect() as connection:
        (day,) = known(connection)
    assert (day.attempts, day.bodies, day.body_bytes) == (3, 2, sum(first.bodies.values()))


def test_calls_are_told_when_they_end(runtime):
    opening = stamped(
        {"call_id": 7, "created_at": START, "operation": "a", "outcome": "pending", "attempts": 0}
    )
    closing = stamped({"finished_at": START, "outcome": "succeeded", "attempts": 2, "code": None})

    begun = write(runtime.engine, Batch(calls={7: opening})).calls
    ended = write(runtime.engine, Batch(call_changes={7: closing})).calls
    again = write(runtime.engine, Batch(calls={7: {**opening, **closing}})).calls

    assert (len(begun.begun), begun.ended) == (1, [])
    assert [(row["operation"], row["attempts"], row["outcome"]) for row in ended.ended] == [
        ("a", 2, "succeeded")
    ]
    assert (again.begun, again.ended, again.corrected) == ([], [], [])


WORDS = ["alpha", "beta", "余额不足", "额度", "x1"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(TEXTS, min_size=1, max_size=10),
    st.lists(st.sampled_from([*WORDS, "余额", "gamma"]), min_size=1, max_size=3),
)
def test_words_find_what_a_plain_comparison_finds_in_windows_of_any_size(
    runtime, monkeypatch, put, found, texts, wanted
):
    monkeypatch.setattr(newest, "FIRST", 3)
    change(runtime.engine, call_logs.delete().where(call_logs.c.code != "keep"))
    rows = [
        attempt(START - timedelta(days=3 * number), error_message=told, code="now")
        for number, told in enumerate(texts)
    ]
    put(*rows)
    tokens = words(*wanted)
    has_all = {row["log_id"] for row in rows if set(tokens) <= set(words_of(row))}
    has_one = {row["log_id"] for row in rows if set(tokens) & set(words_of(row))}

    assert set(found(matching(tokens))) == has_all
    assert set(found(or_(*(matching([token]) for token in tokens)))) == has_one
    assert runtime.log.count([matching(tokens)]) == len(has_all)
    assert len(runtime.log.find([matching(tokens)], 2)) == min(2, len(has_all))


def test_a_count_stops_at_its_cap(runtime, put):
    put(*(attempt() for _ in range(5)))

    assert [runtime.log.count([], most) for most in (3, 4, 5, 9)] == [4, 5, 5, 5]


def test_a_clock_that_jumped_hides_nothing(runtime, put):
    """The id was made before the clock was set back by ten days; the row says what the clock said then."""
    row = attempt(START, log_id=id_at(START + timedelta(days=10)))
    put(row, attempt(START + timedelta(days=10)))

    wanted = LogFilter(from_=START - timedelta(hours=1), to=START + timedelta(hours=1))

    assert [entry.log_id for entry in runtime.log.search(wanted).items] == [row["log_id"]]


def test_bodies_that_cannot_be_read_are_said_to_be(runtime, put):
    row = attempt()
    put(row, bodies=[row])
    for damaged in ({"packed": b"no"}, {"packed": zlib.compress(b"[1]")}, {"compressed": "later"}):
        change_bodies(runtime.engine, update(call_bodies).values(**damaged))
        assert runtime.log.bodies(row["log_id"]) == Bodies(unreadable=True)


def test_what_is_past_its_time_goes_day_by_day(runtime, clock, put):
    days = [attempt(START + timedelta(days=number)) for number in range(6)]
    put(*days, bodies=days)
    with runtime.engine.begin() as connection:
        for row in days:
            connection.execute(
                calls.insert(),
                {"call_id": row["log_id"], "created_at": START, "operation": "a", "outcome": "x"},
            )
    clock.at = START + timedelta(days=5)
    kept = Kept(bodies=timedelta(days=2), rows=timedelta(days=4))
    assert (runtime.log.freed(kept).attempts, runtime.log.freed(kept).bodies) == (1, 3)

    gone = runtime.log.prune(kept)

    assert (gone.bodies, gone.attempts, gone.calls, gone.finished) == (3, 1, 1, True)
    assert runtime.log.freed(kept).attempts == 0
    left = [entry.log_id for entry in runtime.log.search(LogFilter()).items]
    assert left == [row["log_id"] for row in reversed(days[1:])]
    assert [runtime.log.bodies(row["log_id"]) is None for row in days] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert [(day.attempts, day.bodies) for day in runtime.log.sizes()] == [
        (1, 1),
        (1, 1),
        (1, 1),
        (1, 0),
        (1, 0),
    ]
    again = runtime.log.prune(kept)
    assert (again.bodies, again.attempts, again.calls) == (0, 0, 0)


def test_words_of_what_went_are_gone(runtime, clock, put, found):
    old, new = attempt(code="GONE_ALREADY"), attempt(START + timedelta(days=9), code="STILL_THERE")
    put(old, new)
    clock.at = START + timedelta(days=9)

    runtime.log.prune(Kept(bodies=timedelta(days=1), rows=timedelta(days=1)))
    put(attempt(log_id=old["log_id"], code="ANOTHER"))  # its process came back late; its day is made again

    assert found(matching(words("gone_already"))) == []
    assert found(matching(["another"])) == [old["log_id"]]
    assert found(matching(words("still_there"))) == [new["log_id"]]


def test_bodies_kept_for_no_time_go_at_once(runtime, clock, put):
    row = attempt()
    put(row, bodies=[row])
    clock.at = START + timedelta(seconds=1)

    assert runtime.log.prune(Kept(bodies=timedelta(0), rows=timedelta(days=30))).bodies == 1
    assert runtime.log.get(row["log_id"])


def test_a_run_without_time_leaves_everything_and_says_so(runtime, clock, put):
    put(attempt())
    clock.at = START + timedelta(days=9)
    kept = Kept(bodies=timedelta(days=1), rows=timedelta(days=30))

    gone = runtime.log.prune(kept, budget_s=0)

    assert (gone.finished, gone.attempts, len(runtime.log.search(LogFilter()).items)) == (False, 0, 1)


def test_a_log_that_is_too_large_loses_its_oldest_days_but_never_today(runtime, clock, put):
    days = [attempt(START + timedelta(days=number)) for number in range(4)]
    put(*days, bodies=days)
    clock.at = START + timedelta(days=3)
    forever = timedelta(days=3000)
    newest_day, *_, oldest = runtime.log.sizes()
    room = sum(day.size for day in runtime.log.sizes()) - oldest.size
    assert runtime.log.prune(Kept(forever, forever, room)).bodies >= 1

    runtime.log.prune(Kept(forever, forever, 1))

    assert [day.day for day in runtime.log.sizes()] == [newest_day.day]
    assert [entry.log_id for entry in runtime.log.search(LogFilter()).items] == [days[-1]["log_id"]]


def test_the_days_to_come_are_made_ahead(runtime, request):
    if request.config.getoption("--database") != "postgresql":
        pytest.skip("only PostgreSQL has a part for each day")
    runtime.log.make_ahead()
    runtime.log.make_ahead()

    names = set(inspect(runtime.engine).get_table_names(schema="log_days"))

    assert {
        f"{table}_{START:%Y%m}0{day}"
        for table in ("call_logs", "call_bodies", "call_words")
        for day in (2, 3, 4, 5)
    } <= names


def before_days(engine):
    """A database as it was before the log was kept by day, with one attempt and its bodies."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(db.MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        row = {
            "log_id": id_at(datetime.now(UTC)), "at": datetime.now(UTC), "told": "余额不足",
            "body": zlib.compress(json.dumps("你好").encode()),
        }  # fmt: skip
        connection.execute(
            text(
                "INSERT INTO call_logs (log_id, call_id, request_timestamp, response_timestamp, outcome, error_message)"
                " VALUES (:log_id, 1, :at, :at, 'failed', :told)"
            ).bindparams(),
            {**row, "at": row["at"].replace(tzinfo=None) if engine.dialect.name == "sqlite" else row["at"]},
        )
        connection.execute(
            text(
                "INSERT INTO call_bodies (log_id, response_payload, compressed) VALUES (:log_id, :body, 'zlib')"
            ),
            row,
        )
        connection.commit()
    return row["log_id"]


@pytest.mark.filterwarnings("ignore:The default datetime adapter")
def test_a_log_that_was_kept_before_is_kept_on(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    if request.config.getoption("--database") == "postgresql":
        url = request.getfixturevalue("empty_postgresql")
    engine = db.make_engine(url)
    log_id = before_days(engine)

    db.upgrade(engine)

    log = LogStore(engine, SystemClock(), lambda purpose: purpose)
    assert [entry.log_id for entry in log.find([matching(words("余额"))], 9)] == [log_id]
    with engine.connect() as connection:
        (day,) = known(connection)
    assert (day.day, day.attempts, day.bodies) == (day_of(log_id), 1, 1)
    assert log.bodies(log_id) == Bodies(response_payload="你好")
    write(engine, Batch(rows={row["log_id"]: row for row in [attempt(datetime.now(UTC)), attempt(START)]}))
    assert len(log.find([], 9)) == 3
    engine.dispose()


def test_a_search_while_the_log_is_being_migrated_says_that_it_cannot_be_used(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    if request.config.getoption("--database") == "postgresql":
        url = request.getfixturevalue("empty_postgresql")
    engine = db.make_engine(url)

    with engine.connect() as connection, pytest.raises(OperationalError):
        connection.execute(select(call_logs.c.log_id).where(matching(["mail"])))
    engine.dispose()


def test_the_lag_is_the_age_of_the_oldest_record_that_waits(runtime, clock):
    assert runtime.ledger.lag_s(clock.now()) == 0
    ledger = Ledger(runtime.config.data_dir / "elsewhere", runtime.engine)
    ledger.drain.wake = ledger.journal.written = lambda: None
    ledger.row(
        {"log_id": 1, "call_id": 1, "request_timestamp": clock.now(), "outcome": "pending", "kind": "local"}
    )
    clock.advance(90)
    ledger.row(
        {"log_id": 2, "call_id": 2, "request_timestamp": clock.now(), "outcome": "pending", "kind": "local"}
    )

    assert ledger.lag_s(clock.now()) == 90
    ledger.journal.close()
