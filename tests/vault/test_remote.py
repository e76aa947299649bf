"""What all network providers share: tries, names of failures, and leaving alone."""

from __future__ import annotations

import pytest

from webapp.vault import Corrupt, Denied, Unavailable
from webapp.vault.remote import FAILURES, REST_S, Breaker, Remote, described


class Peer:
    """Fails as often as it is told to."""

    def __init__(self, *failures):
        self.failures, self.asked = list(failures), 0

    def __call__(self):
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def remote(now=None):
    return Remote(
        "peer",
        lambda error: Unavailable("away") if isinstance(error, OSError) else None,
        Breaker(now or (lambda: 0.0)),
    )


def test_a_short_failure_is_tried_again():
    peer = Peer(OSError())

    assert remote().call("ask", peer) == "answer"
    assert peer.asked == 2


def test_two_failures_are_enough():
    peer = Peer(OSError(), OSError())

    with pytest.raises(Unavailable):
        remote().call("ask", peer)
    assert peer.asked == 2


@pytest.mark.parametrize("error", [KeyError("x"), TypeError(), ValueError(), AttributeError()])
def test_an_answer_of_another_shape_is_corrupt_and_not_tried_again(error):
    peer = Peer(error)

    with pytest.raises(Corrupt):
        remote().call("ask", peer)
    assert peer.asked == 1


def test_a_refusal_is_not_tried_again():
    peer = Peer(Denied("no"))

    with pytest.raises(Denied):
        remote().call("ask", peer)
    assert peer.asked == 1


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        remote().call("ask", Peer(ZeroDivisionError()))


def test_a_provider_that_fails_is_left_alone_and_asked_again_later():
    now = [0.0]
    asked, dead = remote(lambda: now[0]), Peer(*[OSError()] * 100)
    for _ in range(FAILURES):
        with pytest.raises(Unavailable):
            asked.call("ask", dead)
    before = dead.asked
    with pytest.raises(Unavailable, match="asked again soon"):
        asked.call("ask", dead)
    assert dead.asked == before

    now[0] += REST_S
    dead.failures.clear()
    assert asked.call("ask", dead) == "answer"


def test_an_answer_ends_the_count():
    asked = remote()
    for _ in range(FAILURES * 2):
        assert asked.call("ask", Peer(OSError())) == "answer"


def test_a_fingerprint_names_a_place():
    one, same, other = (described("aws-kms", place, "uri") for place in ("a", "a", "b"))

    assert one == same
    assert one.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 16
