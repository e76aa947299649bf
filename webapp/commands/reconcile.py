"""`flask --app wsgi reconcile`: calls whose outcome nobody knows, and saying what became of them."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup, with_appcontext

from webapp.commands.routes import plain_errors
from webapp.engine import reconcile, settling
from webapp.engine.reconcile import STATES, ReconcileFilter
from webapp.extensions import runtime

ACTOR = "cli"

group = AppGroup("reconcile", help="Calls whose outcome nobody knows.")


@group.command("list")
@click.option("--state", type=click.Choice(["open", *STATES]), default="open", show_default=True)
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_appcontext
def list_items(state: str, limit: int, as_json: bool) -> None:
    """List them, the newest first."""
    with runtime().sessions() as session:
        items, _ = reconcile.search(session, ReconcileFilter(state=state, limit=limit))
    for item in items:
        if as_json:
            click.echo(json.dumps(reconcile.to_dict(item), ensure_ascii=False))
        else:
            click.echo(
                f"{item.call_id}  {item.state:15}  {item.operation:16}  {item.code or '-'}  {item.recipient_mask or ''}"
            )


@group.command("mark")
@click.argument("call_id", type=int)
@click.argument("outcome", type=click.Choice(["succeeded", "failed"]))
@click.option("--note", required=True, help="How you know.")
@with_appcontext
def mark(call_id: int, outcome: str, note: str) -> None:
    """Say that a call succeeded or failed."""
    with plain_errors(), runtime().sessions() as session:
        settling.decide(session, runtime(), call_id, outcome, note=note, actor=ACTOR)
        session.commit()
    click.echo(f"{call_id} {outcome}")


@group.command("resend")
@click.argument("call_id", type=int)
@click.option("--note", required=True, help="Why it is sent once more.")
@click.option("--accept-duplicate", is_flag=True, help="Accept that it may be done twice.")
@with_appcontext
def resend(call_id: int, note: str, accept_duplicate: bool) -> None:
    """Send what a call asked for once more, as a new call; exit status 1 unless it succeeded."""
    with plain_errors():
        sent = settling.resend(runtime(), call_id, note=note, actor=ACTOR, accept_duplicate=accept_duplicate)
    click.echo(f"{sent.call_id} {sent.outcome}")
    if sent.outcome != "succeeded":
        raise SystemExit(1)
