"""Second factors for tests: a phone that knows a seed, and recovery codes read off the page."""

from __future__ import annotations

import re
from html import unescape

import pyotp

SEED = re.compile(r'<code class="seed">([A-Z2-7 ]+)</code>')
RECOVERY = re.compile(r"<li><code>([a-z2-7-]{19})</code></li>")


def code_of(seed, clock, steps=0):
    """The six digits an app shows now, or some steps from now."""
    return pyotp.TOTP(seed).at(int(clock.now().timestamp()), counter_offset=steps)


def seed_on(client, path="/account/second-step/add"):
    """Read the seed off the page that shows it."""
    found = SEED.search(client.get(path).text)
    assert found, "no seed on the page"
    return found[1].replace(" ", "")


def enrol(client, clock):
    """Set up a second factor through the pages; returns the seed and the recovery codes."""
    seed = seed_on(client)
    answer = client.post("/account/second-step/add", data={"code": code_of(seed, clock)})
    assert answer.status_code == 200, answer.text
    return seed, [unescape(code) for code in RECOVERY.findall(answer.text)]
