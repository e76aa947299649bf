"""Shared state in Redis: by Redis' own clock, changed by scripts, and given up on after a tenth of a second."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from webapp.state.gcra import MOST_PATIENCE_S, Rate
from webapp.state.store import DAY_S, Change, Doc, StateDown, Store, T

TIMEOUT_S = 0.1
_PREFIX = "patchbay:state:"
_MOST_RACES = 200
_READ = """
local time = redis.call('TIME')
local values = redis.call('MGET', unpack(KEYS))
table.insert(values, 1, time[1] .. '.' .. string.format('%06d', time[2]))
return values
"""
_SWAP = """
local now = redis.call('GET', KEYS[1])
if (now or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
# As webapp.state.gcra.take; numbers travel as text, because Lua's are cut to integers on their way out.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local interval, window, cost, patience, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local value = redis.call('GET', KEYS[1])
local arrival = value and cjson.decode(value)['at'] or now
if arrival > now + 2 * (window + most) then arrival = now end
local after = math.max(arrival, now) + cost * interval
local wait = after - window - now
if wait <= 0.000001 then wait = 0 end
if wait <= patience then
  redis.call('SET', KEYS[1], string.format('{"at": %.6f}', after), 'PX', math.ceil((window + 10) * 1000))
end
return string.format('%.6f', wait)
"""


class RedisState(Store):
    """Documents as JSON strings; a change is repeated when somebody else was faster."""

    cache_s = 1.0

    def __init__(self, url: str) -> None:
        import redis  # noqa: PLC0415 - only where Redis is configured
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        self._down: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        # Left to itself the client retries for seconds, and waits for ever on a server that says nothing.
        self._client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._read = self._script(_READ)
        self._swap = self._script(_SWAP)
        self._take = self._script(_TAKE)

    def read(self, keys: Sequence[str]) -> tuple[list[Doc | None], float]:
        """The documents of these keys, and the time of the server."""
        now, *values = self._values(keys)
        return [json.loads(value) if value else None for value in values], float(now)

    def update(self, key: str, change: Change[T], *, ttl_s: float = DAY_S, strict: bool = False) -> T:  # noqa: ARG002
        """Change one document by comparing and swapping."""
        for race in range(_MOST_RACES):
            now, value = self._values([key])
            doc, answer = change(json.loads(value) if value else None, float(now))
            if doc is None:
                return answer
            text = json.dumps(doc, separators=(",", ":"))
            if self._ask(self._swap, [key], [value or "", text, max(1, round(ttl_s * 1000))]):
                return answer
            time.sleep(random.uniform(0, min(0.02, 0.0005 * (race + 1))))  # noqa: S311 - spreads, hides nothing
        raise StateDown("too many processes change the same document")

    def forget(self, key: str) -> None:
        """Delete a document."""
        try:
            self._client.delete(_PREFIX + key)
        except self._down as error:
            raise StateDown(type(error).__name__) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def take(self, key: str, rate: Rate, *, cost: float = 1, patience_s: float = 0) -> float:
        """Ask a limiter in one round trip, however many ask at once."""
        patience_s = min(patience_s, MOST_PATIENCE_S)
        numbers = [rate.interval_s, rate.window_s, min(cost, rate.burst), patience_s, MOST_PATIENCE_S]
        return float(self._ask(self._take, [key], numbers))

    def _values(self, keys: Sequence[str]) -> list[Any]:
        return cast("list[Any]", self._ask(self._read, keys, []))

    def _script(self, text: str) -> Callable[..., Any]:
        return cast("Callable[..., Any]", self._client.register_script(text))

    def _ask(self, script: Callable[..., Any], keys: Sequence[str], arguments: Sequence[object]) -> Any:
        try:
            return script(keys=[_PREFIX + key for key in keys], args=arguments)
        except self._down as error:
            raise StateDown(type(error).__name__) from None
