"""The wire format: nothing but the exact sealed value, in its exact place, is opened."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from webapp.vault import Corrupt
from webapp.vault.envelope import associated, key_id_of, seal, unseal

KEY = AESGCM(os.urandom(32))
BOUND = associated("pb/sec/1", "secret", "service", "42", "api_key", "k1")
SEALED = seal(KEY, "k1", b"hunter2-hunter2", BOUND)


def packed(token):
    text = token.rpartition(".")[2]
    return bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def token(content, head="pb1.k1"):
    return f"{head}.{base64.urlsafe_b64encode(bytes(content)).rstrip(b'=').decode()}"


def test_what_was_sealed_opens():
    assert SEALED.startswith("pb1.k1.")
    assert key_id_of(SEALED) == "k1"
    assert unseal(KEY, "k1", SEALED, BOUND) == b"hunter2-hunter2"


def test_the_same_value_is_never_sealed_the_same_way():
    assert seal(KEY, "k1", b"same", BOUND) != seal(KEY, "k1", b"same", BOUND)


def test_every_flipped_bit_is_noticed():
    content = packed(SEALED)
    for position in range(len(content) * 8):
        content[position // 8] ^= 1 << position % 8
        with pytest.raises(Corrupt):
            unseal(KEY, "k1", token(content), BOUND)
        content[position // 8] ^= 1 << position % 8


def test_every_truncation_and_an_added_byte_are_noticed():
    content = packed(SEALED)
    for length in range(len(content)):
        with pytest.raises(Corrupt):
            unseal(KEY, "k1", token(content[:length]), BOUND)
    with pytest.raises(Corrupt):
        unseal(KEY, "k1", token([*content, 0]), BOUND)


@pytest.mark.parametrize("length", [8, 16])
def test_a_nonce_of_another_length_is_refused(length):
    nonce = os.urandom(length)

    with pytest.raises(Corrupt):
        unseal(KEY, "k1", token(nonce + KEY.encrypt(nonce, b"value", BOUND)), BOUND)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "hunter2-hunter2",
        "pb0.k1.AAAA",
        "pb9.k1.AAAA",
        "pb1.k1.",
        "pb1..AAAA",
        "pb1.k1.A",
        "pb1.k1.*",
    ],
)
def test_what_is_not_a_sealed_value_is_refused(stored):
    with pytest.raises(Corrupt):
        unseal(KEY, "k1", stored, BOUND)


@pytest.mark.parametrize(
    "stored",
    [f"{SEALED}\n", f" {SEALED}", f"{SEALED}=", "pb1.k1.AB"],
    ids=["newline", "space", "padding", "short"],
)
def test_a_sealed_value_has_one_spelling(stored):
    with pytest.raises(Corrupt):
        unseal(KEY, "k1", stored, BOUND)


def test_a_value_sealed_under_another_key_is_refused():
    with pytest.raises(Corrupt):
        unseal(KEY, "k2", SEALED, BOUND)
    with pytest.raises(Corrupt):
        unseal(AESGCM(os.urandom(32)), "k1", SEALED, BOUND)


texts = st.lists(st.text(max_size=20), max_size=5)


@given(texts, texts)
def test_different_lists_are_bound_differently(one, other):
    assert (associated(*one) == associated(*other)) == (one == other)
