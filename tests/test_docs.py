"""The documentation keeps up: every setting, command, adapter, scope and file it should name is in it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from flask.cli import FlaskGroup

from adapters.kit import Catalog
from webapp.config import PLAIN, PREFIX, SECRET

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def words(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def all_docs() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("name", PLAIN + SECRET)
def test_every_setting_is_documented(name):
    assert f"`{PREFIX}{name}`" in all_docs()


def test_every_command_is_documented(app):
    documented = all_docs()

    assert [name for name in commands(app.cli) if name not in documented] == []


def test_no_command_hides_behind_one_of_flask(app):
    assert set(app.cli.commands) & set(FlaskGroup().commands) == {"routes"}  # see webapp/commands/plugin.py


def commands(group, prefix=""):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def test_every_adapter_has_a_page():
    for entry in Catalog().entries():
        assert entry.adapter, entry.broken
        assert (ROOT / entry.adapter.docs).exists(), entry.service_type


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]

    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_readme_stays_short_and_names_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(readme.splitlines()) <= 120
    assert "make run" in readme
    assert "make test" in readme
