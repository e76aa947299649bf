"""A real Chromium against the real application, and the ways to look at its pages.

`visit("/path")` opens a page as a signed-in owner; `visit("/path", view=View(...), role="viewer", javascript=False)`
opens it otherwise. `check_page(page)` from checks.py belongs at the end of every state a test brings a page into.
"""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from tests.needs import require
from tests.people import make_user
from tests.ui.checks import AXE, CONTRAST, RULES, VNU, Validator, check_page, watch
from tests.web.services import add
from webapp.accounts import sessions
from webapp.log.batch import Batch
from webapp.log.entries import Bodies
from webapp.log.writer import stamped, write
from webapp.web.assets import read_manifest

CHROMIUM = "chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, PHONE = 1360, 390
HEIGHT = {WIDE: 900, PHONE: 844}
BODY = '{"to": "***", "text": "… 12 characters left out …"}'


@dataclass(frozen=True)
class View:
    """How somebody looks at a page."""

    width: int = WIDE
    theme: str = "light"
    locale: str = "en-US"

    def __str__(self) -> str:
        return f"{self.width}-{self.theme}-{self.locale}"


THEMES = ("light", "dark")
VIEWS = [View(*way) for way in itertools.product((WIDE, PHONE), THEMES, ("en-US", "zh-CN"))]
LIGHT = [view for view in VIEWS if view.theme == THEMES[0]]


def check_themes(page: Page) -> None:
    """Check a page in both themes without asking for it again: nothing but colours hangs on the theme."""
    for theme, rules in zip(THEMES, (RULES, CONTRAST), strict=True):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        check_page(page, rules)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each page has a context of its own."""
    for program in (CHROMIUM, "java"):
        require(program)
    for path in (AXE, VNU):
        assert path.exists(), f"{path} is missing; run: make test"
    assert read_manifest(), "static/dist is missing; run: make assets"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def live_server(app: Flask) -> Iterator[str]:
    """The address of the running application; several threads, as in production."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validator]:
    """Reads the HTML of every page that was visited, in one go at the end."""
    validator = Validator(tmp_path_factory.mktemp("html"))
    yield validator
    errors = validator.errors()
    assert not errors, "\n".join(errors)


@pytest.fixture
def visit(
    browser: Browser, app: Flask, live_server: str, validator: Validator
) -> Iterator[Callable[..., Page]]:
    """Open pages of the running application: `visit(path, view=…, role=…, javascript=True)`; role "" is a stranger."""
    contexts: list[Any] = []
    people: dict[str, Any] = {}

    def open_page(path: str, view: View = VIEWS[0], role: str = "owner", javascript: bool = True) -> Page:
        context = browser.new_context(
            base_url=live_server,
            viewport={"width": view.width, "height": HEIGHT[view.width]},
            locale=view.locale,
            timezone_id="Asia/Shanghai",
            color_scheme=view.theme,
            has_touch=view.width == PHONE,
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        if role:
            if role not in people:
                people[role] = make_user(app, role)
            context.add_cookies([session_cookie(app, people[role], live_server)])
        page = context.new_page()
        watch(page)
        answer = page.goto(path)
        assert answer
        validator.add(answer.text(), f"{path} ({view})")
        return page

    yield open_page
    for context in contexts:
        context.close()


def session_cookie(app: Flask, user: Any, address: str) -> dict[str, str]:
    """Sign a person in without the page, which has tests of its own."""
    with app.test_request_context("/", base_url=address):
        sessions.begin(user)
        answer = app.process_response(app.make_response(""))
    name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
    return {"name": name, "value": value, "url": address}


@pytest.fixture
def check_everywhere(visit: Callable[..., Page]) -> Callable[..., None]:
    """Check a page in both languages and themes, on a desk and on a phone."""

    def check(path: str, role: str = "owner", prepare: Callable[[Page], object] | None = None) -> None:
        for view in LIGHT:
            page = visit(path, view, role)
            if prepare:
                prepare(page)
            check_themes(page)
            page.context.close()

    return check


@pytest.fixture
def many(runtime, clock):
    """A hundred and sixty attempts over two hours, two of one call; answers the id of that call."""
    service_id = add(runtime, "Mail (main)", is_enabled=True)
    rows = {}
    for number in range(1, 161):
        at = clock.now() - timedelta(minutes=120) + timedelta(seconds=number * 40)
        failed = number % 8 == 0
        rows[number] = stamped(
            {
                "log_id": number, "call_id": number, "service_id": service_id, "kind": "attempt",
                "service_type": "EMAIL_PROVIDER_SENDGRID", "request_timestamp": at, "response_timestamp": at,
                "operation": "email.send", "outcome": "failed" if failed else "succeeded", "is_success": not failed,
                "attempt_no": 2 if number % 9 == 0 else 1, "code": "READ_TIMEOUT" if failed else None,
                "error_message": "余额不足" if failed else None, "duration_ms": number * 10,
                "integration_point": "signup.welcome_mail", "correlation_id": f"signup-{number}",
                "request_endpoint": "POST https://api.example.com/send", "response_status_code": 202,
            }
        )  # fmt: skip
    calls = {
        number: stamped({"call_id": number, "operation": "email.send", "outcome": rows[number]["outcome"], "attempts": 1,
                         "created_at": clock.now(), "finished_at": clock.now(), "duration_ms": 20, "contract": "EMAIL_SERVICE"})
        for number in (158, 159, 160)
    }  # fmt: skip
    write(runtime.engine, Batch(rows=rows, calls=calls, bodies={160: Bodies({"X": "***"}, BODY, {}, None)}))
    return runtime
