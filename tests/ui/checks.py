"""What every page must keep to in a browser: accessible, inside its policy, quiet on the console, valid HTML."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from playwright.sync_api import Page

TOOLS = Path(__file__).parent / "node_modules"
AXE = TOOLS / "axe-core" / "axe.min.js"
VNU = TOOLS / "vnu-jar" / "build" / "dist" / "vnu.jar"

RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # what hangs on colours
# Chromium reports every refused request on the console, the refusals that a page shows in words too.
REFUSED = "Failed to load resource: the server responded with a status of 4"
# Playwright itself leaves `style=""` on inputs when it takes a picture; nothing else may break the policy.
WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


def watch(page: Page) -> None:
    """Note from now on what the console says and what the policy refuses."""
    page.context.add_init_script(WATCH)
    said: list[str] = []
    page.on(
        "console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
    setattr(page, "_said", said)  # noqa: B010 - the page carries its own notes


def check_page(page: Page, rules: dict[str, object] = RULES) -> None:
    """Assert that the page as it now stands is accessible, fits its window and broke no rule on the way here."""
    broken = page.evaluate("window.__violations")
    assert not broken, broken
    said = [line for line in page._said if not line.startswith(REFUSED)]
    assert not said, said
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (
        "the page is wider than the window"
    )
    found = violations(page, rules)
    forget(page)
    assert not found, "\n".join(found)


def forget(page: Page) -> None:
    """Drop what was noted so far: axe itself tries an inline style, which the policy refuses."""
    page.evaluate("window.__violations.length = 0")
    page._said.clear()


def violations(page: Page, rules: dict[str, object] = RULES) -> list[str]:
    """Let axe look at the page; each line names a rule, the element and what is wrong with it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(
        "rules => axe.run({runOnly: rules, resultTypes: ['violations'], preload: false}).then(result => result.violations)",
        rules,
    )
    return [
        f"{rule['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for rule in found
        for node in rule["nodes"]
    ]


# What is new in every answer, and makes no difference to whether a page is valid: nonces and signed tokens.
PASSING = re.compile(r'nonce="[^"]*"|\b[\w-]{40,}\.[\w.-]{20,}')


class Validator:
    """Collects the HTML of pages as the server sent it and has it read in one run, because Java starts slowly."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, str] = {}
        self._seen: set[str] = set()

    def add(self, html: str, where: str) -> None:
        """Keep a page for the reading at the end, unless it came before: to the server, dark is as light, wide as narrow."""
        if (seen := PASSING.sub("", html)) in self._seen:
            return
        self._seen.add(seen)
        name = f"{len(self._names):04}.html"
        (self._folder / name).write_text(html, encoding="utf-8")
        self._names[name] = where

    def errors(self) -> list[str]:
        """Read all pages; each line names the page, the place and what is wrong."""
        if not self._names:
            return []
        command = [
            "java",
            "-jar",
            str(VNU),
            "--format",
            "json",
            "--stdout",
            "--exit-zero-always",
            str(self._folder),
        ]
        ran = subprocess.run(command, capture_output=True, check=True)
        messages = json.loads(ran.stdout)["messages"]
        return [
            f"{self._names[Path(message['url']).name]}, line {message.get('lastLine')}: {message['message']} "
            f"{message.get('extract', '')!r}"
            for message in messages
            if message["type"] == "error"
        ]
