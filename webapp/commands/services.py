"""`flask --app wsgi services export` and `apply`: configuration as files, to be kept in a repository."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from webapp.commands.routes import plain_errors
from webapp.extensions import runtime
from webapp.registry.compare import FieldChange
from webapp.registry.files.apply import apply, dry_run
from webapp.registry.files.export import export
from webapp.registry.files.plan import Plan, Step
from webapp.registry.services import find

ACTOR = "cli"
MARKS = {"create": "+", "update": "~", "same": "=", "conflict": "!", "refused": "✗"}


def add_to(group: AppGroup) -> None:
    """Attach the commands to the group of services."""
    group.add_command(export_services)
    group.add_command(apply_file)


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--service", "service_ids", multiple=True, help="Only this service id; repeat for several.")
@click.option("--with-secrets", is_flag=True, help="Seal the secrets under a passphrase, which is asked for.")
@with_appcontext
def export_services(file: Path | None, service_ids: tuple[str, ...], with_secrets: bool) -> None:
    """Write services and routes as YAML, to FILE or to standard output; a stub stands for each secret."""
    passphrase = None
    if with_secrets:
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    with plain_errors(), runtime().sessions() as session:
        wanted = [find(session, service_id).service_id for service_id in service_ids] or None
        text = export(session, runtime(), actor=ACTOR, service_ids=wanted, passphrase=passphrase)
        session.commit()
    if file is None:
        click.echo(text, nl=False)
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if with_secrets else 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


@click.command("apply")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--dry-run", "only_look", is_flag=True, help="Show what it would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before it is stored.")
@click.option("--reason", help="Stands in the history of each service; the name of the file unless given.")
@click.option(
    "--overwrite",
    multiple=True,
    help="Take this service or route from the file although it was changed elsewhere.",
)
@click.option("--ask-secrets", is_flag=True, help="Ask for each secret that has to be entered.")
@click.option("--ask-passphrase", is_flag=True, help="Ask for the passphrase of sealed secrets.")
@click.option("--json", "as_json", is_flag=True, help="The plan as one JSON object.")
@with_appcontext
def apply_file(file: Any, only_look: bool, yes: bool, reason: str | None, **options: Any) -> None:
    """Bring services and routes to what FILE says, all of it or nothing; “-” reads standard input.

    What it changes is shown first. Exit status 1 when something stands in the way.
    """
    text = _read(file)
    how = {"actor": ACTOR, "overwrite": options["overwrite"]}
    if options["ask_passphrase"]:
        how["passphrase"] = click.prompt("Passphrase", hide_input=True, err=True)
    with plain_errors(), runtime().sessions() as session:
        seen = dry_run(session, runtime(), text, **how)
        if options["ask_secrets"] and any(step.needs for step in seen.steps):
            how["given"] = _asked(seen)
            seen = dry_run(session, runtime(), text, **how)
        _show(seen, options["as_json"])
        if refusal := seen.refusal():
            raise refusal
        if only_look or seen.empty:
            return
        if not yes:
            click.confirm("Store this?", abort=True, err=True)
        note = reason or f"{Path(file.name).name} (sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"
        apply(session, runtime(), text, note=note, plan=seen.digest, **how)
        session.commit()
    click.echo("Stored.", err=True)


def _read(file: Any) -> str:
    try:
        return str(file.read())
    except UnicodeDecodeError:
        raise click.ClickException("This file is not UTF-8.") from None


def _asked(plan: Plan) -> dict[str, dict[str, Any]]:
    """Ask for the secrets that have to be entered; a reference is told by its first word."""
    given: dict[str, dict[str, Any]] = {}
    for step in plan.steps:
        for name in step.needs:
            typed = click.prompt(f"{step.name}: {name}", hide_input=True, err=True)
            given.setdefault(step.name, {})[name] = (
                {"$ref": typed.removeprefix("!ref ")} if typed.startswith("!ref ") else typed
            )
    return given


def _show(plan: Plan, as_json: bool) -> None:
    if as_json:
        told = {"ok": plan.ok, "untouched": plan.untouched, "steps": [_members(step) for step in plan.steps]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for step in plan.steps:
        click.echo(f"{MARKS[step.action]} {step.name}  {step.service_type or 'route'}  {step.action}")
        for change in step.changes:
            click.echo(f"    {_line(change)}")
        if step.others:
            click.echo(f"    changed by {step.others.actor} at {step.others.at:%Y-%m-%d %H:%M:%S} UTC")
            for change in step.others.changes:
                click.echo(f"    theirs: {_line(change)}")
        for flaw in step.flaws:
            click.echo(f"    {flaw.pointer}: {flaw.message}")
    counts = ", ".join(f"{plan.count(action)} {action}" for action in MARKS)  # type: ignore[arg-type]
    click.echo(f"{counts}; {plan.untouched} not in the file", file=sys.stderr)


def _members(step: Step) -> Mapping[str, Any]:
    flaws = [{"pointer": f.pointer, "code": f.code, "message": str(f.message)} for f in step.flaws]
    return step.to_dict() | {"errors": flaws}


def _line(change: FieldChange) -> str:
    where = "/".join(str(step) for step in change.path)
    if change.secret:
        return f"{where}: {change.change}"
    return f"{where}: {_text(change.old)} → {_text(change.new)}"


def _text(value: Any) -> str:
    return "–" if value is None else json.dumps(value, ensure_ascii=False)
