"""No secret survives, in whatever form it travels; what is harmless stays readable."""

from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from webapp.engine.redaction import FAILED, Redactor, mask_recipient

SECRETS = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=8, max_size=40)
AROUND = st.text(max_size=40)
COMMON = {"changeme", "password", "username", "localhost"}  # hidden by the name of their field, not by value


def forms(secret):
    """How a secret may look in a text, by code that shares nothing with the one under test."""
    raw = secret.encode()
    yield from (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        html.escape(secret),
        raw.hex(),
    )
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode())


def usable(secret):
    return (
        len(set(secret)) > 2 and "*" not in secret and not secret.isdigit() and secret.lower() not in COMMON
    )


@given(SECRETS, AROUND, AROUND)
@example("abc+/def=&%", "", "")
def test_no_form_of_a_known_secret_survives(secret, before, after):
    assume(usable(secret))
    redactor = Redactor([secret])
    for form in forms(secret):
        text = f"{before}{form}{after}"
        assert form not in redactor.text(text)
        assert form not in redactor.cut(text)
        assert form not in redactor.body(text.encode(), "text/plain")
        assert form not in redactor.url(f"https://example.com/{quote(form)}/x")


@given(SECRETS, st.integers(0, 5), AROUND)
def test_a_known_secret_does_not_survive_inside_base64(secret, shift, after):
    assume(usable(secret) and len(secret.encode()) >= 12)
    text = base64.b64encode(b"x" * shift + secret.encode() + after.encode()).decode()

    shown = Redactor([secret]).text(text)

    assert base64.b64encode(secret.encode()).decode().rstrip("=")[4:-4] not in shown


@given(SECRETS, SECRETS, AROUND)
def test_structured_bodies_hide_values_and_keys(secret, name, around):
    assume(usable(secret))
    redactor = Redactor([secret])
    value = {name: {"deep": [around, {"x": f"{around}{secret}"}], secret: 1}}
    for text, kind in [
        (json.dumps(value), "application/json"),
        (json.dumps(value, ensure_ascii=False), "application/json; charset=utf-8"),
        (json.dumps(json.dumps(value)), "application/json"),
        (urlencode({name: secret, "y": around + secret}), "application/x-www-form-urlencoded"),
        (f"<r><{'n'}>{html.escape(secret)}</n></r>", "application/xml"),
    ]:
        shown = redactor.body(text.encode(), kind)
        assert shown != FAILED
        for form in (secret, quote_plus(secret), json.dumps(secret)[1:-1], html.escape(secret)):
            assert form not in shown


@given(SECRETS, SECRETS)
def test_basic_credentials_are_hidden_whole(user, secret):
    assume(usable(secret))
    pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
    plain = base64.b64encode(f"\0{user}\0{secret}".encode()).decode()

    shown = Redactor([secret], [user]).text(f"x {pair} y {plain} z")

    assert shown.startswith("x *** ")
    assert not {pair, plain} & set(shown.split())


TELLING = [
    "hush-hush-0123", "sk_live_0123456789abcdef", "lin.wei@example.com", "13812345678", "4111111111111111",
    "AKIAIOSFODNN7EXAMPLE", "token=abcdefgh1234", "http://root:toor@db", "Bearer abcdef123456", "a:b", "plain",
]  # fmt: skip
LEAVES = st.one_of(
    st.sampled_from(TELLING), st.text("ab =:@/{}[],.\u4e2d", max_size=12), st.integers(0, 10**18), st.none()
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "to", "note", "api_key", "phone"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["id", "to", "text"]), TREES, max_size=3), st.booleans())
@example({"id": 13812345678, "to": [4111111111111111]}, True)
@example({"id": "http://a", "to": "b:c@d.example"}, True)
def test_json_that_is_not_taken_apart_hides_all_the_same(value, compact):
    separators = (",", ":") if compact else (", ", ": ")
    text = json.dumps(value, ensure_ascii=False, separators=separators)

    shown = Redactor(["hush-hush-0123"]).body(text.encode(), "application/json")

    assert json.loads(shown).keys() == value.keys()
    for piece in (
        "hush-0",
        "live_0",
        "lin.wei",
        "8123456",
        "111111111",
        "IOSFODNN",
        "cdefgh",
        "toor",
        "cdef12",
    ):
        assert piece not in shown


def test_overlapping_secrets_leave_no_tail():
    assert Redactor(["abcdefgh", "efghijkl"]).text("--abcdefghijkl--") == "--***--"


def test_a_secret_across_the_cut_is_hidden():
    secret = "s3cr3t-value-that-is-long"
    redactor = Redactor([secret])
    for at in range(12 * 1024 - 30, 12 * 1024 + 5):
        shown = redactor.cut("a" * at + secret + "b" * 40_000)
        assert "s3cr3t" not in shown
        assert "is-long" not in shown
    for at in range(4 * 1024 - 30, 4 * 1024 + 5):
        shown = redactor.cut("a" * 40_000 + secret + "b" * at)
        assert "s3cr3t" not in shown
        assert "is-long" not in shown


def test_a_token_across_the_cut_is_hidden():
    token = "ghp_" + "A" * 36
    for at in range(12 * 1024 - 45, 12 * 1024 + 5):
        assert "AAAA" not in Redactor().cut(" " * at + token + " " * 40_000)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("key AKIAIOSFODNN7EXAMPLE.", "key ***."),
        ("https://joe:pw@example.com/x", "https://***@example.com/x"),
        ("eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "***"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "***"),
        ("write to lin.wei@example.com", "write to l***@example.com"),
        ("call 13812345678 now", "call 138****5678 now"),
        ("call +8613812345678 now", "call +86****5678 now"),
        ("card 4111 1111 1111 1111", "card ***1111"),
        ("card 4111 1111 1111 1112", "card 4111 1111 1111 1112"),
        ("id 11010519491231002X", "id ***002X"),
        ("id 110105194912310021", "id 110105194912310021"),
        ('{"password": "x", "n": 1}', '{"password": "***", "n": 1}'),
        ("sent at 1763880000123, id 7504180281704876811", "sent at 1763880000123, id 7504180281704876811"),
    ],
)
def test_shapes(text, shown):
    assert Redactor().text(text) == shown


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("password", True), ("userPassword", True), ("api-key", True), ("x_api_key", True), ("accessKeySecret", True),
        ("client_secret", True), ("otp", True), ("pinCode", True), ("sign", True), ("密码", True), ("session_id", True),
        ("signName", False), ("sign_name", False), ("author", False), ("shipping", False), ("max_tokens", False),
        ("token_type", False), ("expires_in", False), ("design", False), ("subject", False), ("opinion", False),
    ],
)  # fmt: skip
def test_names_of_fields(name, hidden):
    shown = json.loads(Redactor().body(json.dumps({name: "value"}).encode(), "application/json"))

    assert (shown[name] == "***") is hidden


def test_headers_show_only_what_is_harmless():
    shown = Redactor().headers(
        {"Content-Type": "text/plain", "X-Api-Key": "k", "Authorization": "Basic eDp5", "X-Request-Id": "r"}
    )

    assert shown == {
        "Content-Type": "text/plain",
        "X-Api-Key": "***",
        "Authorization": "Basic ***",
        "X-Request-Id": "r",
    }


def test_query_values_are_judged_by_name():
    assert (
        Redactor().url("https://u:p@h.example/p?token=abc&page=2") == "https://h.example/p?token=***&page=2"
    )


def test_binary_and_multipart_are_outlined():
    multipart = b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nhello\r\n--B--\r\n'

    assert Redactor().body(b"\xff\xfe\x00", "image/png").startswith("<3 bytes, sha256 ")
    assert Redactor().body(multipart, "multipart/form-data; boundary=B") == "part f a.txt: 5 bytes"
    assert Redactor().body(b"") is None


def test_what_cannot_be_redacted_is_not_shown():
    class Odd(dict):
        def items(self):
            raise RuntimeError("secret inside")

    assert Redactor().value(Odd()) == FAILED
    assert Redactor().url("http://[broken") == FAILED


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "1",
        "@",
        "a@",
        "{",
        '"',
        "-----BEGIN X-----\n",
        "eyJ-",
        "bearer ",
        "1-",
        "<a>",
        "a=",
        "+1",
        '"a":"',
        "\\",
        "&lt;",
    ],
)
def test_no_input_takes_long(unit):
    text = unit * (256 * 1024 // len(unit))
    redactor = Redactor(["some-secret-value"], ["user"])
    began = time.process_time()

    redactor.body(text.encode(), "application/json")
    redactor.body(text.encode(), "application/x-www-form-urlencoded")

    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("recipient", "shown"),
    [
        ("lin@example.com", "l***@example.com"),
        ("+8613812345678", "+86****5678"),
        ("42", "***"),
        ("a@b@c.d", "a***@c.d"),
    ],
)
def test_recipients_are_recognisable_but_not_usable(recipient, shown):
    assert mask_recipient(recipient) == shown


class Strange(dict):
    """No plain object, so that each of its values is looked at."""


_words = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(["s3cr3t-value", "x s3cr3t-value y", "Bearer abcdef123", "lin@example.com", "13812345678", "[1 ]", '{"password": "x"}',
                     "a=b", "token=abcdef", "-----BEGIN X-----", "//u:p@h"]),
)  # fmt: skip
_values = st.recursive(
    st.one_of(_words, st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.just(13812345678)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(_words, st.sampled_from(["password", "phone", "id"])), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(st.dictionaries(_words, _values, max_size=4))
def test_what_is_judged_by_its_text_is_judged_as_value_by_value(value):
    redactor = Redactor(["s3cr3t-value"])

    assert redactor.value(value) == redactor.value(Strange(value))
    assert redactor.known_in(value) == redactor.known_in(Strange(value))
