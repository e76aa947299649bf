"""The protection of a service in a real browser: read it, decide, see the decision."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.web.services import URL, add
from webapp.engine.breaker import Vote

pytestmark = pytest.mark.browser


@pytest.fixture
def broken(app, runtime):
    """A service whose breaker has just opened, with quotas."""
    quotas = {"calls": {"day": 1000}, "money": {"month": 50}, "prices": {"*": 0.01}}
    mail = add(runtime, "Mail", is_enabled=True, quotas=quotas)
    gates = runtime.gates
    for _ in range(5):
        gates.breakers.record(mail, gates.breakers.acquire(mail), Vote.FAILURE)
    return mail


def test_the_page_in_every_view(check_everywhere, broken):
    check_everywhere(f"{URL}/{broken}/breaker", role="operator")


def test_an_operator_decides_without_javascript_too(visit, broken):
    for javascript in (True, False):
        page = visit(f"{URL}/{broken}/breaker", role="operator", javascript=javascript)
        page.get_by_label("What to do").select_option("open")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
        page.get_by_label("Reason").fill("The vendor is being repaired")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("#now")).to_contain_text("Taken out of use")
        expect(page.locator("#now")).to_contain_text("The vendor is being repaired")
        if javascript:
            check_page(page)
