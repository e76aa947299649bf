"""Latencies in log-spaced buckets, eight to each doubling: their sums give every percentile of any stretch of time.

Bucket 0 holds what took a millisecond at most, bucket n what took at most 2^(n/8) milliseconds. What is read off them
is at most 5 % away from the latency itself, and rounded to a whole millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

STEPS = 8
MOST_MS = 2**31
SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


@lru_cache(1 << 14)
def bucket_of(duration_ms: int) -> int:
    """The number of the bucket of a latency."""
    return 0 if duration_ms <= 1 else math.ceil(STEPS * math.log2(min(duration_ms, MOST_MS)))


@lru_cache(512)
def middle_of(bucket: int) -> int:
    """The latency that stands for a bucket: between its lowest and its highest whole millisecond."""
    if bucket <= 0:
        return 1
    lowest = math.floor(2 ** ((bucket - 1) / STEPS)) + 1
    highest = max(math.floor(2 ** (bucket / STEPS)), lowest)
    return round(math.sqrt(lowest * highest))


def percentile(latencies: Mapping[int, int], share: float) -> int | None:
    """The latency in ms that this share did not exceed; None when there was none."""
    wanted = math.ceil(sum(latencies.values()) * share)
    reached = 0
    for bucket in sorted(latencies):
        reached += latencies[bucket]
        if reached >= wanted > 0:
            return middle_of(bucket)
    return None


def at_most(latencies: Mapping[int, int], doublings: int) -> int:
    """How many took at most 2^doublings milliseconds; exact, because a bucket ends there."""
    return sum(count for bucket, count in latencies.items() if bucket <= doublings * STEPS)
