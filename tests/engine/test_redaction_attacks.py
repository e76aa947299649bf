"""Attacks on redaction, by their numbers in the list of attacks; most of 25 and 30 is in test_redaction.py.

25 every encoding (with hypothesis in test_redaction.py) · 26 cut edge, traceback, circular chain · 27 overlaps,
prefixes, a secret named like a field · 28 odd characters, long PEM · 29 short and common values · 30 names of fields ·
31 odd JSON · 32 pathological inputs · 33 numbers with and without a valid check digit · 34 a redactor that fails ·
35 forged log lines (test_process_log.py) · 36 a vendor that echoes the key (test_canary.py) · 37 secrets in paths.
"""

from __future__ import annotations

import base64
import json
import logging
import time

import pytest

from webapp.engine.logging import ProcessSecrets, RedactingFormatter
from webapp.engine.redaction import Redactor, matcher
from webapp.engine.redaction.known import KnownSecrets

SECRET = "kY7-canary/secret+value=="


@pytest.fixture(params=["automaton", "one by one"])
def way(request, monkeypatch):
    """With the automaton, and as it is on a machine without it."""
    if request.param != "automaton":
        monkeypatch.setattr(matcher, "FAST", False)
    return request.param


def test_26_a_secret_is_hidden_wherever_the_cut_falls(way):
    redactor = Redactor([SECRET])
    for at in range(12 * 1024 - len(SECRET) - 2, 12 * 1024 + 3):
        shown = redactor.cut("x" * at + SECRET + "y" * 40_000)
        assert not any(SECRET[start : start + 8] in shown for start in range(len(SECRET) - 8))


def test_26_a_secret_longer_than_the_margin_is_hidden_at_the_cut(way):
    long = "".join(f"{number:x}-" for number in range(5_000))
    shown = Redactor([long]).cut("x" * 11_000 + long + "y" * 40_000)

    assert long[:40] not in shown
    assert long[1_000:1_040] not in shown


def test_26_exceptions_in_a_circle_are_logged_without_the_secret():
    secrets = ProcessSecrets()
    secrets.learn([SECRET])
    first, second = ValueError(SECRET), KeyError(f"in {SECRET}")
    first.__context__, second.__context__ = second, first
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), (ValueError, first, None))

    text = secrets.hide(RedactingFormatter().format(record))

    assert SECRET not in text
    assert "ValueError" in text


def test_27_secrets_that_overlap_are_hidden_as_one(way):
    redactor = Redactor(["abcdefgh", "defghijklm", "abcdefghijklmnop"])

    assert redactor.text("x abcdefghijklm y") == "x *** y"
    assert redactor.text("x abcdefghijklmnop y") == "x *** y"


def test_27_a_secret_named_like_a_field_is_hidden_in_keys_too(way):
    shown = Redactor(["my-field-name"]).body(
        b'{"my-field-name": "kept", "other": "my-field-name"}', "application/json"
    )

    assert "my-field-name" not in shown
    assert "kept" in shown


@pytest.mark.parametrize(
    "secret",
    [
        "a.b*c[d](e)+$^|\\",
        "first-line-of-a-secret\nsecond-line-of-a-secret",
        "秘密の鍵🔑です-と-値",
        "🔑" * 9,
        '"quoted"&<tag>',
    ],
)
def test_28_odd_characters(secret, way):
    redactor = Redactor([secret])

    for text in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), f"文字🔑{secret}終わり"):
        shown = redactor.text(text)
        assert secret not in shown
        assert not any(line in shown for line in secret.splitlines())


def test_28_a_certificate_of_64_kb_is_hidden_whole_and_by_line(way):
    body = "\n".join(base64.b64encode(bytes([number % 251]) * 48).decode() for number in range(1_000))
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    redactor = Redactor([pem])

    assert redactor.text(f"key: {pem[:20_000]}").count("A" * 20) == 0
    assert redactor.text("x " + body.splitlines()[7] + " y") == "x *** y"


def test_28_halves_of_characters_do_not_stop_the_search(way):
    shown = Redactor([SECRET, "with-\ud800-half"]).text(f"\ud800 {SECRET} with-\ud800-half")

    assert SECRET not in shown
    assert "-half" not in shown


@pytest.mark.parametrize("value", ["abc12", "true", "localhost", "us-east-1", "***"])
def test_29_what_is_short_or_common_is_hidden_by_the_name_of_its_field_only(value, way):
    redactor = Redactor([value])

    assert redactor.text(f"it was {value} today") == f"it was {value} today"
    assert value not in redactor.body(json.dumps({"password": value}).encode(), "application/json").replace(
        "***", ""
    )


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 5_000 + b'"' + SECRET.encode() + b'"' + b"}" * 5_000,
        json.dumps({"a": SECRET, "b": "x" * 10_000_000}).encode(),
        b'{"token": "first-value", "token": "' + SECRET.encode() + b'"}',
        b'{"a": NaN, "b": -Infinity, "c": "' + SECRET.encode() + b'"}',
        b"\xff\xfe" + SECRET.encode(),
        ('{"a": "' + SECRET).encode(),
        json.dumps([SECRET] * 5_000).encode(),
        json.dumps({f"k{number}": SECRET for number in range(3_000)}).encode(),
        "&".join(f"k{number}={SECRET}" for number in range(5_000)).encode(),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
def test_31_odd_bodies_are_bounded_and_never_fail(body, kind):
    began = time.process_time()
    shown = Redactor([SECRET]).body(body, kind)

    assert SECRET not in shown
    assert shown != "<redaction failed>"
    assert len(shown) < 20_000
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN X-----\n" * 9_000,
        "a." * 131_000 + "@",
        "1" * 262_144,
        "4 " * 131_072,
        "@" * 262_144,
        "bearer " * 37_000,
        "password=" * 29_000,
        "eyJ" * 87_000,
        "://" * 87_000,
        "13800138000 " * 21_000,
        "aaaaaaaa" * 32_768,
    ],
    ids=lambda text: text[:12],
)
def test_32_no_input_of_256_kb_takes_more_than_100_ms(text):
    redactor = Redactor(["aaaaaaaa", SECRET])
    took = []
    for _ in range(3):
        began = time.process_time()
        redactor.text(text)
        redactor.body(text.encode(), "text/plain")
        took.append((time.process_time() - began) / 2)

    assert min(took) < 0.1


def test_32_a_thousand_secrets_are_found_in_a_millisecond():
    known = KnownSecrets(f"secret-number-{number}-{number * 7919:x}" for number in range(1_000))
    text = ("an ordinary answer of a vendor, " * 600)[: 16 * 1024] + "secret-number-77-" + f"{77 * 7919:x}"
    took = []
    for _ in range(20):
        began = time.process_time()
        found = list(known.spans(text))
        took.append(time.process_time() - began)

    assert found
    assert min(took) < 0.001


@pytest.mark.parametrize(
    ("number", "hidden"),
    [
        ("4111 1111 1111 1111", True),
        ("4111 1111 1111 1112", False),
        ("11010519491231002X", True),
        ("110105194912310021", False),
        ("20261123000012345678", False),
        ("order 1234567890123", False),
    ],
)
def test_33_only_numbers_with_a_valid_check_digit_are_hidden(number, hidden):
    assert (Redactor().text(number) != number) == hidden


def test_34_a_redactor_that_fails_shows_nothing(monkeypatch):
    def fail(*_):
        raise RuntimeError(SECRET)

    monkeypatch.setattr("webapp.engine.redaction.shapes.spans", fail)
    redactor = Redactor()

    assert redactor.text(SECRET) == "<redaction failed>"
    assert redactor.body(SECRET.encode()) == "<redaction failed>"


def test_34_the_log_does_not_go_round_in_circles_when_it_cannot_be_redacted(monkeypatch):
    def fail(*_):
        raise RuntimeError(SECRET)

    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record))
    handler.setFormatter(RedactingFormatter())
    logger = logging.getLogger("webapp.engine.redaction.redact")
    logger.addHandler(handler)
    monkeypatch.setattr("webapp.engine.redaction.shapes.spans", fail)
    try:
        assert Redactor().text(SECRET) == "<redaction failed>"
    finally:
        logger.removeHandler(handler)

    assert lines == ["<redaction failed>"]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T000/B000/{}",
        "https://api.telegram.org/bot{}/sendMessage",
        "https://oapi.dingtalk.com/robot/send?access_token={}&x=1",
        "https://user:{}@example.com/path",
    ],
)
def test_37_a_secret_in_an_address_is_hidden(url, way):
    secret = "AbCdEf0123456789XyZ"

    assert secret not in Redactor([secret]).url(url.format(secret))


def test_many_secrets_are_settled_in_a_thread_and_stay_hidden():
    secrets = ProcessSecrets()
    values = [f"secret-number-{number:05}" for number in range(200)]
    for value in values:
        secrets.learn([value])
        assert secrets.hide(value) == "***"
    deadline = time.monotonic() + 10
    while secrets._settling and time.monotonic() < deadline:
        time.sleep(0.01)

    assert all(secrets.hide(f"a {value} b") == "a *** b" for value in values)
