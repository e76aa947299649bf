"""The journal: nothing that was written is lost, nothing is written twice, and a database that is away holds up nobody."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from tests.logfiles import change
from webapp.ids import call_id as new_id
from webapp.log.entries import Bodies
from webapp.log.filters import LogFilter
from webapp.log.journal import Journal, Unwritable
from webapp.log.ledger import Ledger
from webapp.log.segments import START, Segment, frame, read_records

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def ledger(runtime):
    return runtime.ledger


@pytest.fixture
def refuse():
    """Lets every write of the log fail while it is set."""
    away = threading.Event()

    def check(_connection, _cursor, statement, *_rest):
        if away.is_set() and "call" in statement and not statement.lstrip().startswith("SELECT"):
            raise OperationalError(statement, {}, Exception("the database is away"))

    event.listen(Engine, "before_cursor_execute", check)
    yield away
    event.remove(Engine, "before_cursor_execute", check)


def opening(call_id, **values):
    return {
        "call_id": call_id,
        "created_at": NOW,
        "operation": "email.send",
        "outcome": "pending",
        "attempts": 0,
        **values,
    }


def beginning(call_id, log_id, **values):
    return {
        "log_id": log_id,
        "call_id": call_id,
        "request_timestamp": NOW,
        "outcome": "pending",
        "kind": "attempt",
        **values,
    }


def ended(**values):
    return {"response_timestamp": NOW, "outcome": "succeeded", "is_success": True, "duration_ms": 7, **values}


def closed(**values):
    return {"finished_at": NOW, "outcome": "succeeded", "attempts": 1, **values}


def a_call(ledger, *, level="process", until="end"):
    call_id, log_id = new_id(), new_id()
    ledger.open(call_id, opening(call_id))
    if until == "open":
        return call_id, log_id
    ledger.begin(call_id, beginning(call_id, log_id), level)
    if until == "end":
        bodies = Bodies({"Accept": "*/*"}, "{}", None, "你好")
        ledger.end(
            call_id,
            log_id,
            ended(),
            bodies,
            closed(result={"id": "m-1"}, candidates=[{"position": 1}]),
            level=level,
        )
    return call_id, log_id


def died(ledger):
    """Leave the ledger as a killed process would: its locks are gone, its files are not."""
    journal = ledger.journal
    ledger.drain._stopping = True
    ledger.drain.wake()
    for segment in journal.segments:
        segment.close()
    journal._segments = ()


@pytest.mark.parametrize("level", ["process", "disk", "database"])
def test_a_finished_call_reaches_the_log_whole(runtime, ledger, level):
    call_id, log_id = a_call(ledger, level=level)

    call = runtime.log.call(call_id)

    assert (call.outcome, call.created_at, call.finished_at, call.result) == (
        "succeeded",
        NOW,
        NOW,
        {"id": "m-1"},
    )
    assert call.candidates == ({"position": 1},)
    (attempt,) = call.attempts
    assert (attempt.log_id, attempt.outcome, attempt.is_success, attempt.response_timestamp) == (
        log_id, "succeeded", True, NOW,
    )  # fmt: skip
    assert runtime.log.bodies(log_id).response_payload == "你好"


def test_an_attempt_under_way_is_seen_and_completed_later(runtime, ledger):
    call_id, log_id = a_call(ledger, until="begin")
    assert runtime.log.get(log_id).outcome == "pending"

    ledger.end(
        call_id, log_id, ended(code="X", outcome="failed", is_success=False), None, closed(outcome="failed")
    )

    assert runtime.log.get(log_id).code == "X"
    assert runtime.log.call(call_id).outcome == "failed"


def test_a_drained_segment_goes_with_its_process(ledger, runtime):
    a_call(ledger)
    ledger.close()
    assert list(ledger.journal.directory.glob("*.journal")) == []


def test_segments_turn_over_and_go_when_everybody_has_left_them(runtime, caplog):
    ledger = Ledger(runtime.config.data_dir / "small", runtime.engine)
    ledger.journal._segment_size = 2_000
    open_call, log_id = a_call(ledger, until="begin")
    done = [a_call(ledger)[0] for _ in range(20)]
    assert ledger.settle()
    first = ledger.journal.segments[0]
    assert first.users == 1

    ledger.end(open_call, log_id, ended(), None, closed())
    assert ledger.settle()
    ledger.drain.wake()
    deadline = time.monotonic() + 5
    while len(ledger.journal.segments) > 1 and time.monotonic() < deadline:
        ledger.settle()
        a_call(ledger)

    assert all(runtime.log.call(call_id).outcome == "succeeded" for call_id in [open_call, *done])
    assert first not in ledger.journal.segments
    assert first.backlog == 0
    ledger.close()
    assert caplog.messages == []


def test_the_words_of_a_dead_process_are_adopted(runtime, ledger):
    finished = a_call(ledger)
    begun = a_call(ledger, until="begin")
    died(ledger)
    other = Ledger(ledger.journal.directory, runtime.engine)

    other.write_late()

    assert runtime.log.call(finished[0]).outcome == "succeeded"
    call = runtime.log.call(begun[0])
    assert (call.outcome, call.code, call.effect) == ("unknown", "AMBIGUOUS_OUTCOME", "UNKNOWN")
    assert (call.attempts[0].outcome, call.attempts[0].error_message) == ("unknown", "process_died")
    assert list(ledger.journal.directory.glob("*.journal")) == []


def test_a_begin_that_was_drained_before_the_death_gets_its_end_too(runtime, ledger):
    call_id, log_id = a_call(ledger, until="begin")
    assert ledger.settle()
    died(ledger)

    Ledger(ledger.journal.directory, runtime.engine).write_late()

    assert runtime.log.get(log_id).error_message == "process_died"
    assert runtime.log.call(call_id).outcome == "unknown"


def test_a_living_process_is_left_alone(runtime, ledger):
    call_id, log_id = a_call(ledger, until="begin")

    Ledger(ledger.journal.directory, runtime.engine).write_late()

    ledger.end(call_id, log_id, ended(), None, closed())
    assert runtime.log.call(call_id).outcome == "succeeded"


def test_writing_twice_changes_nothing(runtime, ledger):
    call_id, log_id = a_call(ledger)
    assert ledger.settle()
    (segment,) = ledger.journal.segments
    segment.mark(START)  # as after a death between the commit and the mark
    died(ledger)

    Ledger(ledger.journal.directory, runtime.engine).write_late()

    assert len(runtime.log.search(LogFilter(call_id=call_id)).items) == 1
    assert runtime.log.bodies(log_id) is not None


def test_an_end_is_not_lost_when_the_begin_was_written_before(runtime, ledger):
    call_id, log_id = a_call(ledger, until="begin")
    assert ledger.settle()
    (segment,) = ledger.journal.segments
    ledger.end(call_id, log_id, ended(), None, closed())
    assert ledger.settle()
    # As if only the begin had been committed before the death.
    change(runtime.engine, text("UPDATE call_logs SET outcome = 'pending', response_timestamp = NULL"))
    with runtime.engine.begin() as connection:
        connection.execute(text("UPDATE calls SET outcome = 'pending', finished_at = NULL"))
    segment.mark(START)
    died(ledger)

    Ledger(ledger.journal.directory, runtime.engine).write_late()

    assert runtime.log.get(log_id).outcome == runtime.log.call(call_id).outcome == "succeeded"


def test_a_torn_tail_costs_only_itself(runtime, ledger):
    whole = a_call(ledger)
    (segment,) = ledger.journal.segments
    segment.append(frame(b'{"open": {}}')[:-3])
    died(ledger)

    Ledger(ledger.journal.directory, runtime.engine).write_late()

    assert runtime.log.call(whole[0]).outcome == "succeeded"
    assert list(ledger.journal.directory.glob("*.journal")) == []


def test_a_damaged_record_costs_only_itself(tmp_path):
    segment = Segment.create(tmp_path, "one")
    for payload in (b"first", b"second", b"third"):
        segment.append(frame(payload))
    data = bytearray(segment.path.read_bytes())
    data[data.index(b"second")] ^= 1
    segment.path.write_bytes(data)

    with segment.path.open("rb") as file:
        assert [payload for payload, _ in read_records(file.fileno(), START)] == [b"first", b"third"]
    segment.close()


def test_records_larger_than_one_reading_are_read(tmp_path):
    segment = Segment.create(tmp_path, "one")
    payloads = [bytes([65 + number]) * 3_000_000 for number in range(3)]
    for payload in payloads:
        segment.append(frame(payload))
    assert [payload for payload, _ in segment.records(START)] == payloads
    segment.remove()


def test_calls_go_on_while_the_database_is_away(runtime, ledger, refuse):
    refuse.set()
    began = time.monotonic()
    made = [a_call(ledger) for _ in range(50)]
    assert time.monotonic() - began < 1
    assert not ledger.settle(0.5)
    assert ledger.backlog().own > 0

    refuse.clear()
    deadline = time.monotonic() + 10
    while ledger.journal.backlog and time.monotonic() < deadline:
        ledger.drain._urgent.set()
        time.sleep(0.01)

    assert all(runtime.log.call(call_id).outcome == "succeeded" for call_id, _ in made)
    assert ledger.backlog().error is None


@pytest.mark.parametrize("seen", ["nothing", "the begin"])
def test_a_call_is_read_from_the_journal_while_the_database_is_away(runtime, ledger, refuse, seen):
    call_id, log_id = a_call(ledger, until="begin")
    if seen == "the begin":
        assert ledger.settle()
    refuse.set()
    ledger.end(call_id, log_id, ended(), None, closed(result={"id": "m-1"}))
    while not ledger.drain.backlog().error:
        time.sleep(0.01)

    call = runtime.log.call(call_id)

    assert (call.outcome, call.finished_at, call.result) == ("succeeded", NOW, {"id": "m-1"})
    assert [(one.log_id, one.outcome, one.response_timestamp) for one in call.attempts] == [
        (log_id, "succeeded", NOW)
    ]
    assert runtime.log.call(new_id()) is None


def test_a_full_journal_refuses_new_calls_and_takes_the_ends_of_begun_ones(runtime, refuse):
    ledger = Ledger(runtime.config.data_dir / "small", runtime.engine, cap=3_000)
    refuse.set()
    begun = a_call(ledger, until="begin")
    while ledger.journal.backlog < 3_000:
        a_call(ledger)
    with pytest.raises(Unwritable):
        ledger.open(new_id(), {})

    ledger.end(*begun, ended(), None, closed())
    assert ledger.dropped == 0

    refuse.clear()
    ledger.drain._urgent.set()
    deadline = time.monotonic() + 10
    while ledger.journal.backlog and time.monotonic() < deadline:
        ledger.drain._urgent.set()
        time.sleep(0.01)
    assert runtime.log.call(begun[0]).outcome == "succeeded"
    ledger.close()


def test_a_record_the_database_refuses_holds_up_no_other(runtime, ledger):
    good = a_call(ledger)
    ledger.row(beginning(new_id(), new_id()) | {"request_timestamp": None})
    after = a_call(ledger)
    assert ledger.settle()
    assert {runtime.log.call(call_id).outcome for call_id, _ in (good, after)} == {"succeeded"}
    assert ledger.backlog().refused == 1
    assert (ledger.journal.directory / "refused.jsonl").read_text().count("\n") == 1


def test_a_fork_writes_a_journal_of_its_own(tmp_path):
    journal = Journal(tmp_path / "journal")
    parent = journal.enter()
    journal.write(parent, {"by": "parent"})
    child = os.fork()
    if child == 0:
        status = 1
        try:
            mine = journal.enter()
            journal.write(mine, {"by": "child"})
            status = 0 if mine.path != parent.path else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert Segment.adopt(parent.path) is None
    (other,) = journal.strangers()
    adopted = Segment.adopt(other)
    assert [payload for payload, _ in adopted.records(START)] == [b'{"by":"child"}']
    adopted.remove()
    journal.leave(parent)
    journal.close()


def test_threads_that_wait_for_the_disk_share_its_turns(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    segment = journal.enter()
    turns = []
    sync = Segment.sync
    monkeypatch.setattr(Segment, "sync", lambda self: (turns.append(1), time.sleep(0.02), sync(self)))

    def work():
        journal.write(segment, {"n": 1})
        journal.sync(segment)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= len(turns) <= 6
    journal.close()


def test_no_two_processes_make_the_same_ids(tmp_path):
    first, second = Journal(tmp_path), Journal(tmp_path)
    first.enter()
    second.enter()
    assert len(list(tmp_path.glob("node-*"))) == 2
    first.close()
    second.close()
