"""Commands about people and the audit, for whoever runs Patchbay: the way back in when every page is shut."""

from __future__ import annotations

import os
from datetime import datetime

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts import links, second_factor, sessions, users
from webapp.extensions import runtime
from webapp.models.factor import SecondFactor
from webapp.models.user import User
from webapp.vault import audit

ACTOR = "cli"
FLAWS = {
    "gap": "entry {seq} is missing",
    "order": "entry {seq} does not follow the one before it",
    "changed": "entry {seq} was changed",
    "cut": "entries from {seq} on were cut off the end",
    "replaced": "entry {seq} is not the one that the copy outside the database knows",
    "anchor": "the copy of the head outside the database was changed or cannot be read",
}

audit_group = AppGroup("audit", help="The record of who did what.")


def register(app: Flask, people: AppGroup) -> None:
    """Attach the commands."""
    for command in (list_people, reset_password, reset_mfa, enable):
        people.add_command(command)
    app.cli.add_command(audit_group)


@audit_group.command("verify")
@with_appcontext
def verify() -> None:
    """Follow the whole chain; exit status 1 when it is not as it was written."""
    live = runtime()
    with live.sessions() as session:
        report = audit.report(session, live)
    if report.flaw is not None:
        click.echo(f"BROKEN  {FLAWS[report.flaw.reason].format(seq=report.flaw.seq)}")
        raise SystemExit(1)
    if report.entries and report.anchored is None:
        click.echo(f"NO ANCHOR  {report.entries} entries fit together, but no copy of the head is kept here")
        raise SystemExit(1)
    anchored = f"; anchored at {report.anchored}, since {report.since}" if report.anchored else ""
    click.echo(f"OK  {report.entries} entries{anchored}")


@audit_group.command("reanchor")
@click.confirmation_option(prompt="Take the chain as it is now, as after restoring a backup?")
@with_appcontext
def reanchor() -> None:
    """Begin the copy of the head anew; the audit says that this was done."""
    live = runtime()
    with live.sessions() as session:
        audit.reset_anchor(session, live, actor=ACTOR)
    click.echo("The anchor begins with the present end of the chain.")


@click.command("list")
@with_appcontext
def list_people() -> None:
    """List everybody with an account."""
    with runtime().sessions() as session:
        factors = set(
            session.scalars(select(SecondFactor.user_id).where(SecondFactor.confirmed_at.is_not(None)))
        )
        for user in session.scalars(select(User).order_by(User.email)):
            state = "active" if user.is_active else "disabled"
            step = "second step" if user.user_id in factors else "-"
            click.echo(f"{user.email:40}  {user.role:9}  {state:9} {step:12} {_day(user.last_login_at)}")


@click.command("reset-password")
@click.option("--email", required=True)
@with_appcontext
def reset_password(email: str) -> None:
    """Print a link by which a person chooses a new password; the old one stops working."""
    live = runtime()
    with live.sessions() as session:
        user = _find(session, email)
        user.password_hash = None
        sessions.end_all(session, user)
        audit.append(session, live, actor=ACTOR, action="user.password_reset", target=user.email)
        token = links.issue(session, live, user, links.RESET, actor=ACTOR)
        session.commit()
    click.echo(f"{_base_url()}/join/{token}")


@click.command("reset-mfa")
@click.option("--email", required=True)
@with_appcontext
def reset_mfa(email: str) -> None:
    """Take the second step of a person away, whose phone and recovery codes are lost."""
    live = runtime()
    with live.sessions() as session:
        user = _find(session, email)
        second_factor.remove(session, live, user, actor=ACTOR)
        sessions.end_all(session, user)
        session.commit()
    click.echo(f"{user.email} signs in by password and sets up a new second step.")


@click.command("enable")
@click.option("--email", required=True)
@with_appcontext
def enable(email: str) -> None:
    """Let a person in again who was disabled."""
    live = runtime()
    with live.sessions() as session:
        user = _find(session, email)
        user.is_active = True
        audit.append(session, live, actor=ACTOR, action="user.enable", target=user.email)
        session.commit()
    click.echo(f"{user.email} can sign in again.")


def _find(session: Session, email: str) -> User:
    user = users.find_by_email(session, email)
    if user is None:
        raise click.ClickException(f"Nobody has the address {email}.")
    return user


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d") if moment else "never"


def _base_url() -> str:
    host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "5000")
    return (runtime().config.base_url or f"http://{host}:{port}").rstrip("/")
