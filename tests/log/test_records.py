"""Whatever a vendor's answer holds comes back from the journal as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.log.records import decode, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(VALUES)
def test_every_value_comes_back(value):
    assert decode(encode(value)) == value


@pytest.mark.parametrize("value", ["\ud800", 2**70, {"a": "x\udfff"}, "\x00"])
def test_what_is_unusual_comes_back_too(value):
    assert decode(encode(value)) == value


def test_moments_are_written_in_utc():
    assert decode(encode({"at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)})) == {
        "at": "2026-01-02 03:04:05.000000"
    }


def test_damage_is_said():
    with pytest.raises(ValueError, match="line 1 column 1"):
        decode(b"\xffnot json")
