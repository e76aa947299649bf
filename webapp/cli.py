"""The command line: thin commands over the registry, the accounts and the hub."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from webapp import db as database
from webapp.accounts import commands as people
from webapp.accounts import setup, tokens, users
from webapp.accounts.roles import Role
from webapp.commands import logs, monitor, reconcile, routes
from webapp.commands import services as files
from webapp.commands.database import tell
from webapp.demo.command import demo
from webapp.engine.problems import PatchbayError
from webapp.extensions import runtime
from webapp.registry import services as registry
from webapp.registry import testing
from webapp.registry.errors import RegistryError
from webapp.sandbox.command import sandbox
from webapp.vault_cli import keys_group

ACTOR = "cli"
MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "–"}
GOOD_VERDICTS = {"verified", "limited", "unverifiable"}

users_group = AppGroup("users", help="People who sign in.")
tokens_group = AppGroup("tokens", help="API tokens.")
services_group = AppGroup("services", help="Configured services.")


def register(app: Flask) -> None:
    """Attach the commands to the application."""
    for command in (init, call, sandbox, demo, keys_group, users_group, tokens_group, services_group):
        app.cli.add_command(command)
    people.register(app, users_group)
    files.add_to(services_group)
    app.cli.add_command(routes.group)
    app.cli.add_command(routes.group, "route")  # where the plug-in of commands/plugin.py is not installed
    app.cli.add_command(reconcile.group)
    app.cli.add_command(logs.group)
    monitor.register(app)
    for command in app.cli.commands.values():
        tell(command)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what we know can go wrong into one sentence and exit status 1."""
    try:
        yield
    except users.UserInvalid as invalid:
        raise click.ClickException("\n".join(str(problem.message) for problem in invalid.problems)) from None
    except tokens.TokenInvalid as invalid:
        raise click.ClickException(str(invalid)) from None
    except RegistryError as refused:
        lines = [str(refused.message), *(f"{flaw.pointer}: {flaw.message}" for flaw in refused.errors)]
        raise click.ClickException("\n".join(lines)) from None


@click.command()
@with_appcontext
def init() -> None:
    """Migrate the database, make the keys, and print the one-time set-up link while nobody owns this Patchbay."""
    live = runtime()
    database.upgrade(live.engine)
    live.vault.prepare()
    click.echo(f"Patchbay   {_base_url()}/")
    state = live.vault.state()
    if state.locked:
        click.echo(f"LOCKED     {state.message}", err=True)
    with live.sessions() as session:
        if setup.needed(session):
            click.echo(
                f"Set up     {_base_url()}/setup/{setup.issue(session, live)}   (once, within 30 minutes)"
            )
            session.commit()


def _base_url() -> str:
    configured = runtime().config.base_url
    return (
        configured or f"http://{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '5000')}"
    ).rstrip("/")


@users_group.command("create")
@click.option("--email", required=True)
@click.option("--name", help="How to call them; the part before the @ unless given.")
@click.option("--role", type=click.Choice([str(role) for role in Role]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@with_appcontext
def create_user(email: str, name: str | None, role: str, password_stdin: bool) -> None:
    """Add a person who can sign in."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with _plain_errors(), runtime().sessions() as session:
        who = name or email.partition("@")[0]
        user = users.create_user(
            session, runtime(), email=email, name=who, role=role, password=password, actor=ACTOR
        )
        session.commit()
        click.echo(f"{user.email} is {user.role}.")


@tokens_group.command("create")
@click.option("--name", required=True)
@click.option("--scope", "scopes", multiple=True, required=True, help="Repeat for several; “all” for all.")
@click.option("--expires-days", type=int, default=tokens.DEFAULT_DAYS, show_default=True)
@with_appcontext
def create_token(name: str, scopes: tuple[str, ...], expires_days: int) -> None:
    """Print a new API token, alone, once."""
    with _plain_errors(), runtime().sessions() as session:
        _, text = tokens.issue(
            session, runtime(), name=name, scopes=scopes, created_by=ACTOR, expires_days=expires_days
        )
        session.commit()
    click.echo(text)


@services_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_appcontext
def list_services(as_json: bool) -> None:
    """List the configured services."""
    for service in _every_service():
        if as_json:
            keys = ("service_id", "service_name", "service_type", "is_enabled", "revision")
            click.echo(json.dumps({key: getattr(service, key) for key in keys}, ensure_ascii=False))
        else:
            state = "enabled" if service.is_enabled else "disabled"
            click.echo(f"{service.service_id}  {state:8}  {service.service_type:24}  {service.service_name}")


def _every_service() -> Iterator[Any]:
    """Every page of the list, one service after the other."""
    cursor = None
    with runtime().sessions() as session:
        while True:
            wanted = registry.ServiceFilter(limit=200, cursor=cursor)
            found = registry.search(session, runtime(), wanted)
            yield from (item.service for item in found.items)
            if (cursor := found.next_cursor) is None:
                return


@services_group.command("test")
@click.argument("service_id")
@with_appcontext
def test_service(service_id: str) -> None:
    """Test the stored settings of a service; exit status 1 when the test fails."""
    with _plain_errors():
        with runtime().sessions() as session:
            service = registry.find(session, service_id)
        report = testing.run(runtime(), service, None, ACTOR)
    for stage in report.stages:
        click.echo(f"{MARKS[stage.status]} {stage.name:16} {stage.message}  ({stage.duration_ms} ms)")
        if stage.remedy:
            click.echo(f"  {stage.remedy}")
    click.echo(report.verdict)
    if report.verdict not in GOOD_VERDICTS:
        raise SystemExit(1)


@click.command()
@click.argument("operation")
@click.option("--prefer", multiple=True, help="Route, service type, contract or service id; repeat in order.")
@click.option("--params", required=True, help="The parameters, a JSON object; “-” reads standard input.")
@click.option("--point", help="The integration point this call belongs to.")
@click.option("--deadline-ms", type=int)
@click.option(
    "--call-key", help="Repeating the same call under the same key does not repeat it at the vendor."
)
@click.option("--correlation-id")
@with_appcontext
def call(operation: str, prefer: tuple[str, ...], params: str, **options: Any) -> None:
    """Make a call and print its result as JSON; exit status 1 when it did not succeed."""
    try:
        given = json.loads(sys.stdin.read() if params == "-" else params)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}", param_hint="--params") from None
    try:
        result = runtime().hub.call(operation, given, prefer=prefer, caller=ACTOR, **options)
    except PatchbayError as error:
        click.echo(json.dumps(error.to_problem(), ensure_ascii=False, indent=2))
        raise SystemExit(1) from None
    click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
