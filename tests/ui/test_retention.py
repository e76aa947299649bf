"""The Retention page in every view, with days, with something overdue, and without a script."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import VIEWS
from tests.web.test_retention import PAGE, add

pytestmark = pytest.mark.browser


@pytest.fixture
def overdue(runtime):
    """Three days, one of them past its time."""
    for back in (0, 3, 60):
        add(runtime, runtime.clock.now() - timedelta(days=back))


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_what_is_kept_is_shown(visit, overdue, view):
    check_page(visit(PAGE, view=view))


def test_a_change_is_worked_out_at_once(visit, overdue):
    page = visit(PAGE)
    page.locator("#f-bodies").fill("1")
    page.locator("#f-bodies").press("Enter")

    expect(page.locator("#try")).to_contain_text("1 attempts and 2 bodies.")
    check_page(page)


def test_without_a_script_it_is_worked_out_too(visit, overdue):
    page = visit(PAGE, javascript=False)
    page.locator("#f-bodies").fill("1")
    page.get_by_role("button", name="Work it out").click()

    expect(page.locator("#try")).to_contain_text("1 attempts and 2 bodies.")
