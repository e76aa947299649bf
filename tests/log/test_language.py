"""The search language: what is understood of a text, what is not and where, and that nothing breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.log.language import LENGTH_MAX, TERMS_MAX, VALUES_MAX, parse, term
from webapp.log.language_fields import FIELDS, NAMES, TEXT
from webapp.log.language_services import Services

MAIL, SMS, GONE = (f"0190aaaa-0000-7000-8000-00000000000{number}" for number in (1, 2, 3))
SERVICES = Services({MAIL: "Mail (SendGrid)", SMS: "短信", GONE: "短信"})


def understood(text):
    """The terms as plain tuples; the text must have no fault."""
    query = parse(text, SERVICES)
    assert query.faults == ()
    return [
        ("-" * one.negated + one.field, one.operator, *(value.meant for value in one.values))
        for one in query.terms
    ]


UNDERSTOOD = [
    ("", []),
    ("   \u3000 ", []),
    ('service:"Mail (SendGrid)"', [("service", ":", (MAIL,))]),
    ("service:mail*,短信", [("service", ":", (MAIL,), (SMS, GONE))]),
    (f"service:{GONE}", [("service", ":", (GONE,))]),
    (f"service:{MAIL[:-1]}9", [("service", ":", (MAIL[:-1] + "9",))]),
    ("type:sms_provider_twilio", [("type", ":", "SMS_PROVIDER_TWILIO")]),
    ("-code:read_timeout,DNS*", [("-code", ":", "READ_TIMEOUT", "DNS")]),
    ('code:"DNS*"', [("code", ":", "DNS*")]),
    ("outcome:ok,error", [("outcome", ":", "succeeded", "failed")]),
    ("status:5xx,404,none", [("status", ":", 500, 404, None)]),
    ("status>=500", [("status", ">=", 500)]),
    ("dur>500 dur<=2s duration>1.5s", [("dur", ">", 500), ("dur", "<=", 2000), ("dur", ">", 1500)]),
    ("dur:>500", [("dur", ">", 500)]),
    ("tries>1", [("tries", ">", 1)]),
    ("corr:signup-42 to:Lin@example.com", [("corr", ":", "signup-42"), ("to", ":", "Lin@example.com")]),
    ("call:7504180281704876811", [("call", ":", 7504180281704876811)]),
    ("kind:local,transition", [("kind", ":", "local", "transition")]),
    ("point:signup.*", [("point", ":", "signup.")]),
    ("OUTCOME:ok", [("outcome", ":", "succeeded")]),
    ("余额不足", [("text", ":", ["余额", "额不", "不足"])]),
    ('"read timed out"', [("text", ":", ["read", "timed", "out"])]),
    ("-refused", [("-text", ":", ["refused"])]),
    ("timeout,refused", [("text", ":", ["timeout"], ["refused"])]),
    ("“短信”，失败", [("text", ":", ["短信"], ["失败"])]),
    ("status：5xx", [("status", ":", 500)]),
    (
        "https://a.example/send 10:30",
        [("text", ":", ["https", "a", "example", "send"]), ("text", ":", ["10", "30"])],
    ),
    ("a>b", [("text", ":", ["a", "b"])]),
    (r'"say \"hi\" \\ there"', [("text", ":", ["say", "hi", "there"])]),
    ("Warning: slow", [("text", ":", ["warning"]), ("text", ":", ["slow"])]),
]


@pytest.mark.parametrize(("text", "terms"), UNDERSTOOD)
def test_a_text_is_understood(text, terms):
    assert understood(text) == terms


FAULTS = [
    ("foo:bar", "foo:bar", "There is no field"),
    ("outcome:fine", "fine", "Choose one of"),
    ("status:6xx", "6xx", "HTTP status"),
    ("status:５xx", "５xx", "HTTP status"),
    ("status>5xx", "5xx", "Compare with one"),
    ("dur>fast", "fast", "whole number"),
    ("dur>1.5", "1.5", "whole number"),
    ("dur>٣", "٣", "whole number"),
    ("dur>3000000s", "3000000s", "too large"),
    ("tries>1s", "1s", "whole number"),
    ("tries>99999999999", "99999999999", "whole number"),
    ("call:99999999999999999999", "99999999999999999999", "number of a call"),
    ("call:x", "x", "number of a call"),
    ("service:Nobody", "Nobody", "No service"),
    ("code>A", "A", "cannot be compared"),
    ("service:", "service:", "what to look for"),
    ("-", "-", "what to look for"),
    ('code:"READ', '"READ', "not closed"),
    ("“余额", "“余额", "not closed"),
    ("😀", "😀", "no letter or digit"),
    ("%", "%", "no letter or digit"),
    ("a\x00b", "a\x00b", "printable"),
    ("code:a\x1bb", "a\x1bb", "printable"),
    ("corr:" + "x" * 201, "x" * 201, "at most 200"),
    ("code:" + ",".join("ABCDEFGHIJ"[n % 10] + str(n) for n in range(VALUES_MAX + 1)), "A50", "at most 50"),
]


@pytest.mark.parametrize(("text", "words", "reason"), FAULTS)
def test_a_fault_has_a_place_and_a_reason_and_the_rest_is_understood(text, words, reason):
    query = parse(
        f"op:email.send {text}" if text.startswith(("“", 'code:"')) else f"{text} op:email.send", SERVICES
    )

    (fault,) = query.faults
    assert query.text[fault.start : fault.end] == words
    assert reason in str(fault.told(query.text))
    assert f"At character {fault.start + 1}" in str(fault.told(query.text))
    assert [one.field for one in query.terms] == ["op"]


def test_a_text_without_end_is_cut_off():
    long = parse("x" * (LENGTH_MAX + 1))
    assert (long.terms, len(long.faults), len(long.text)) == ((), 1, LENGTH_MAX)

    many = parse(" ".join(["word"] * (TERMS_MAX + 5)))
    assert (len(many.terms), len(many.faults)) == (TERMS_MAX, 1)


def test_a_part_can_be_taken_out_of_the_text():
    query = parse('code:A  "b c" -op:x', SERVICES)

    assert [query.without(one) for one in query.terms] == ['"b c" -op:x', "code:A -op:x", 'code:A  "b c"']
    assert [query.source(one) for one in query.terms] == ["code:A", '"b c"', "-op:x"]


def test_pieces_show_the_text_with_its_faults_apart():
    query = parse("op:x status:6xx a", SERVICES)

    assert [(words, fault is not None) for words, fault in query.pieces()] == [
        ("op:x status:", False),
        ("6xx", True),
        (" a", False),
    ]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_term_that_was_written_is_read_again(value, negated):
    """Whatever stands in a column can be filtered for: the link on a value means exactly that value."""
    written = term("corr", value, negated=negated)
    query = parse(written)

    if value.strip():
        (read,) = query.terms
        assert (read.field, read.values[0].meant, read.negated) == ("corr", value.strip(), negated)
        assert not read.values[0].prefix
        assert query.faults == ()


HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [*NAMES, *"-:,\"'()*><= ", ">=", "\\", "“", "”", "：", "\x00", "😀", "余额不足", "5xx", "1e9"]
        ),
        st.text(max_size=8),
    ),
    max_size=30,
).map("".join)


@given(HOSTILE)
@settings(max_examples=500, deadline=None)
def test_no_text_breaks_it(text):
    query = parse(text, SERVICES)

    assert "".join(words for words, _ in query.pieces()) == query.text == text
    for fault in query.faults:
        assert 0 <= fault.start < fault.end <= len(text)
        assert str(fault.told(text))
    for one in query.terms:
        assert one.field in FIELDS
        assert one.values
        assert 0 <= one.start < one.end <= len(text)
    assert [one.field == TEXT for one in query.terms].count(True) <= TERMS_MAX
