"""Every search of the language finds what a plain filter over the same rows finds, on either database."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webapp.log.batch import Batch
from webapp.log.days import DAY
from webapp.log.filters import LogFilter
from webapp.log.language_services import Services
from webapp.log.spans import Span
from webapp.log.survey import MOST, tone_of
from webapp.log.writer import stamped, write

START = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
MAIL, SMS, GONE = (f"0190aaaa-0000-7000-8000-00000000000{number}" for number in (1, 2, 3))
NAMES = {MAIL: "Mail (main)", SMS: "短信", GONE: "短信"}
SERVICES = Services(NAMES)
TYPES = ("EMAIL_PROVIDER_SMTP", "SMS_PROVIDER_ALIYUN", "SMS_PROVIDER_TWILIO")
OPERATIONS = ("email.send", "sms.send", "sms.send_code")
CODES = ("READ_TIMEOUT", "READ_TIMEOUT_LATE", "CONNECT_REFUSED")
POINTS = ("signup.welcome", "signup.code", "order,paid", "-odd")
CORRELATIONS = ("a-1", "a-1 b", 'say "hi"', "a\\b", "100%", "A-1")
RECIPIENTS = ("lin@example.com", "+8613800138000")
WORDS = ("余额不足", "请充值", "额度", "Read timed out", "CONNECTION refused", "é́tude", "signup")
ENDPOINTS = ("POST https://api.example.com/v1/Send", "GET https://短信.example/状态?x=1", "smtp://mail:25")


def made(number, chance):
    """One attempt of many kinds; any of its columns may be empty."""

    def one(values, empty=0.25):
        return None if chance.random() < empty else chance.choice(values)

    at = START + timedelta(seconds=number * 7)
    outcome = chance.choice(("succeeded", "succeeded", "failed", "unknown", "pending"))
    return {
        "log_id": number // 24 * DAY + number,  # in parts of the log for six days
        "call_id": 7504180281704876000 + number // 3,
        "kind": chance.choice(("attempt", "attempt", "local", "transition")),
        "service_id": one((MAIL, SMS, GONE)),
        "service_type": one(TYPES),
        "request_timestamp": at,
        "response_timestamp": None if outcome == "pending" else at,
        "operation": one(OPERATIONS),
        "outcome": outcome,
        "is_success": {"succeeded": True, "pending": None}.get(outcome, False),
        "code": one(CODES),
        "response_status_code": one((200, 404, 429, 500, 503)),
        "duration_ms": one((0, 499, 500, 501, 2000)),
        "attempt_no": chance.choice((0, 1, 1, 2, 3)),
        "correlation_id": one(CORRELATIONS),
        "integration_point": one(POINTS),
        "recipient": one(RECIPIENTS),
        "error_message": " ".join(chance.sample(WORDS, chance.randint(0, 3))) or None,
        "request_endpoint": one(ENDPOINTS),
        "vendor_message": one(WORDS),
    }


class Rows(list):
    """Attempts, without a word of them in what Hypothesis prints."""

    def __repr__(self):
        return f"{len(self)} rows"


@pytest.fixture
def rows(runtime):
    """A hundred and twenty attempts, the same in every run, newest first."""
    chance = random.Random(7)
    found = [made(number, chance) for number in range(1, 121)]
    hashed = [
        {name: value for name, value in row.items() if name != "recipient"}
        | {"recipient_hash": runtime.log.hash_recipient(row["recipient"]) if row["recipient"] else None}
        for row in found
    ]
    write(runtime.engine, Batch(rows={row["log_id"]: stamped(row) for row in hashed}))
    return Rows(found[::-1])


# A part of a search as data: field, operator, values, negated. How each is typed and what it means stand side by side.

WHOLE = {
    "type": ("service_type", TYPES, str.upper),
    "op": ("operation", OPERATIONS, str.lower),
    "code": ("code", CODES, str.upper),
    "corr": ("correlation_id", CORRELATIONS, str),
    "point": ("integration_point", POINTS, str),
}
NUMBERS = {"dur": ("duration_ms", (0, 499, 500, 501)), "tries": ("attempt_no", (0, 1, 2)), "status": ("response_status_code", (200, 429, 500))}  # fmt: skip
COMPARE = {
    ":": lambda have, want: have == want,
    "=": lambda have, want: have == want,
    ">": lambda have, want: have > want,
    ">=": lambda have, want: have >= want,
    "<": lambda have, want: have < want,
    "<=": lambda have, want: have <= want,
}
TYPED = (
    "余额",
    "额不",
    "不足",
    "值",
    "额度",
    "timed OUT",
    "refused",
    "signup",
    "api.example",
    "25",
    "短信 状态",
    "ÉTUDE",
    "503",
)


def quoted(text):
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def whole(field):
    _, values, _ = WHOLE[field]
    exact = st.sampled_from(values).map(lambda value: (quoted(value), value, False))
    begun = st.tuples(
        st.sampled_from([value for value in values if not set(value) & set(' ,"\\')]), st.integers(1, 8)
    )
    return exact | begun.map(
        lambda one: (one[0][: one[1]].lstrip("-") + "*", one[0][: one[1]].lstrip("-"), True)
    )


def several(values):
    return st.lists(values, min_size=1, max_size=3)


PARTS = st.one_of(
    *(st.tuples(st.just(field), st.just(":"), several(whole(field))) for field in WHOLE),
    *(
        st.tuples(st.just(field), st.sampled_from(sorted(COMPARE)), several(st.sampled_from(values).map(lambda one: (str(one), one, False))))
        for field, (_, values) in NUMBERS.items()
    ),
    st.tuples(st.just("status"), st.just(":"), several(st.sampled_from([("5xx", 500, True), ("4XX", 400, True), ("none", None, False)]))),
    st.tuples(st.just("outcome"), st.just(":"), several(st.sampled_from(["succeeded", "failed", "unknown", "pending"]).map(lambda one: (one, one, False)))),
    st.tuples(st.just("kind"), st.just(":"), several(st.sampled_from(["attempt", "local", "transition"]).map(lambda one: (one, one, False)))),
    st.tuples(st.just("service"), st.just(":"), several(st.sampled_from([('"Mail (main)"', {MAIL}, False), ("短信", {SMS, GONE}, False), (SMS, {SMS}, False), ("m*", {MAIL}, False)]))),
    st.tuples(st.just("to"), st.just(":"), several(st.sampled_from(RECIPIENTS).map(lambda one: (one.upper(), one, False)))),
    st.tuples(st.just("call"), st.just(":"), several(st.integers(7504180281704876000, 7504180281704876045).map(lambda one: (str(one), one, False)))),
    st.tuples(st.just(""), st.just(":"), several(st.sampled_from(TYPED).map(lambda one: (quoted(one), one, False)))),
)  # fmt: skip
SEARCHES = st.lists(st.tuples(st.booleans(), PARTS), max_size=4)


def typed(search):
    """A search as somebody would type it."""
    return "  ".join(
        f"{'-' if negated else ''}{field}{operator if field else ''}{','.join(value[0] for value in values)}"
        for negated, (field, operator, values) in search
    )


def fulfils(row, search):
    """Whether a row fulfils all parts of a search."""
    return all(
        any(fits(row, field, operator, want, begins) for _, want, begins in values) != negated
        for negated, (field, operator, values) in search
    )


def fits(row, field, operator, want, begins):  # noqa: PLR0911 - a line for each kind of field
    if field in WHOLE:
        have = row[WHOLE[field][0]]
        return have is not None and (have.startswith(WHOLE[field][2](want)) if begins else have == want)
    if field == "status" and (begins or want is None):
        have = row["response_status_code"]
        return have is None if want is None else have is not None and want <= have <= want + 99
    if field in NUMBERS:
        have = row[NUMBERS[field][0]]
        return have is not None and COMPARE[operator](have, want)
    if field == "service":
        return row["service_id"] in want
    if field == "to":
        return row["recipient"] == want
    if field == "":
        return pieces(want) <= words_of(row)
    return row[{"call": "call_id"}.get(field, field)] == want


def words_of(row):
    """Everything a row can be found by; the words of an attempt are written down when it ends."""
    if row["outcome"] == "pending":
        return set()
    names = (
        "request_endpoint", "error_message", "code", "vendor_message", "operation", "integration_point",
        "correlation_id", "service_type",
    )  # fmt: skip
    status = row["response_status_code"]
    found = {str(status)} if status and status >= 400 else set()
    return found.union(*(pieces(row[name] or "") for name in names))


def pieces(text):
    """Latin words, and Chinese as pairs; one that stands alone is a word."""
    found = set()
    for word in re.findall(r"[a-z0-9é́]+|[\u4e00-\u9fff]+", text.lower().replace("é́", "é́")):
        if re.match(r"[\u4e00-\u9fff]{2}", word):
            found |= {word[place : place + 2] for place in range(len(word) - 1)}
        else:
            found.add(word)
    return found


@given(SEARCHES)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_search_finds_what_a_plain_filter_finds(runtime, rows, search):
    wanted = LogFilter.parse({"q": typed(search)}, SERVICES)
    expected = [row["log_id"] for row in rows if fulfils(row, search)]

    found = runtime.log.search(wanted, 200).items

    assert [entry.log_id for entry in found] == expected, typed(search)
    survey = runtime.log.survey(wanted)
    assert (survey.count, survey.told) == (len(expected), str(len(expected)))
    assert sum(bar.total() for bar in survey.bars.values()) == len(expected)


def test_the_plain_filter_is_put_to_the_test_too(rows):
    """Most kinds of parts find some rows and not others; a filter that finds nothing would prove nothing."""
    for part in (
        ("", ":", [("x", "余额", False)]),
        ("code", ":", [("x", "READ_TIMEOUT", False)]),
        ("dur", ">", [("x", 499, False)]),
    ):
        assert 0 < sum(fulfils(row, [(False, part)]) for row in rows) < len(rows)


def test_bars_hold_what_is_found_in_their_time(runtime, rows):
    survey = runtime.log.survey(LogFilter.parse({"q": "-kind:transition", "from": "2026-01-02T03:05:00Z"}))
    span = survey.span

    for row in rows:
        if row["kind"] != "transition" and row["request_timestamp"] >= datetime(2026, 1, 2, 3, 5, tzinfo=UTC):
            place = (row["request_timestamp"] - span.start) // span.step
            survey.bars[place][tone_of(row["outcome"], row["attempt_no"] > 1)] -= 1
    assert sum(abs(count) for bar in survey.bars.values() for count in bar.values()) == 0
    codes = [row["code"] for row in rows if row["code"] and row["kind"] != "transition" and row["request_timestamp"] >= datetime(2026, 1, 2, 3, 5, tzinfo=UTC)]  # fmt: skip
    assert dict(survey.errors) == {code: codes.count(code) for code in set(codes)}


def test_more_than_are_looked_at_are_drawn_from_the_sums(runtime):
    base = {"service_id": MAIL, "kind": "attempt", "call_id": 1, "duration_ms": 1}
    many = {}
    for number in range(1, MOST + 2_500):
        at = START + timedelta(seconds=number / 2)
        failed = number % 10 == 0
        ends = {
            "outcome": "failed" if failed else "succeeded",
            "is_success": not failed,
            "code": "READ_TIMEOUT" if failed else None,
            "attempt_no": 1 + (number % 4 == 1),
        }
        many[number] = stamped(
            base | {"log_id": number, "request_timestamp": at, "response_timestamp": at} | ends
        )
    write(runtime.engine, Batch(rows=many))
    newest = (START + timedelta(seconds=(MOST + 2_500) / 2)).isoformat().replace("+00:00", "Z")

    every = runtime.log.survey(
        LogFilter.parse({"from": START.isoformat().replace("+00:00", "Z"), "to": newest})
    )
    failed = runtime.log.survey(LogFilter.parse({"q": "outcome:failed"}))
    both = runtime.log.survey(LogFilter.parse({"q": f"outcome:succeeded service:{MAIL} tries>0"}))

    assert (every.told, every.is_rolled_up, every.reach) == (f"{MOST}+", True, None)
    assert sum(bar.total() for bar in every.bars.values()) == len(many)
    assert sum(bar["retried"] for bar in every.bars.values()) == sum(
        row["attempt_no"] == 2 and row["outcome"] == "succeeded" for row in many.values()
    )
    assert (failed.capped, failed.is_rolled_up) == (False, False)
    assert both.is_rolled_up is False
    bad = len([row for row in many.values() if row["outcome"] == "failed"])
    assert every.errors == (("READ_TIMEOUT", bad),)
    by_id, well = (
        runtime.log.survey(LogFilter.parse(given))
        for given in ({"service_id": MAIL}, {"service_id": MAIL, "outcome": "succeeded"})
    )
    assert (by_id.is_rolled_up, by_id.errors, sum(bar.total() for bar in by_id.bars.values())) == (
        True, every.errors, len(many),
    )  # fmt: skip
    assert (well.is_rolled_up, well.errors, sum(bar.total() for bar in well.bars.values())) == (
        True, (), len(many) - bad,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, START + timedelta(microseconds=1)),
        (START, START + timedelta(minutes=15)),
        (START, START + timedelta(hours=24)),
        (START, START + timedelta(days=400)),
        (datetime(1926, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_stretch_of_time_has_few_and_round_steps(start, end):
    span = Span.of(start, end)

    assert span.count <= 60
    assert span.count % 4 == 0
    assert span.start <= start
    assert span.end >= end
    assert int(span.start.timestamp()) % int(span.step.total_seconds()) == 0
