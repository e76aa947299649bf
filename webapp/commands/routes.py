"""`flask --app wsgi routes …`, also `route …`: list routes, explain what a call would do, and drill a route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup, with_appcontext

from webapp.drill.run import Drill, Score
from webapp.engine.explain import explain
from webapp.engine.problems import PatchbayError
from webapp.extensions import runtime
from webapp.registry import routes
from webapp.registry.errors import RegistryError

group = AppGroup("routes", help="Routes: which service is tried first, and which one takes over.")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn a refusal into sentences and exit status 1."""
    try:
        yield
    except RegistryError as refused:
        lines = [str(refused.message), *(f"{flaw.pointer}: {flaw.message}" for flaw in refused.errors)]
        raise click.ClickException("\n".join(lines)) from None
    except PatchbayError as problem:
        lines = [str(problem), *(f"{error['pointer']}: {error['message']}" for error in problem.errors)]
        raise click.ClickException("\n".join(lines)) from None


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_appcontext
def list_routes(as_json: bool) -> None:
    """List the routes with their services in order."""
    with runtime().sessions() as session:
        for route in routes.all_routes(session):
            if as_json:
                click.echo(json.dumps(routes.to_dict(route), ensure_ascii=False))
                continue
            click.echo(f"{route.name}  {route.contract}")
            for place, name in enumerate(routes.member_names(session, route), start=1):
                click.echo(f"  {place}. {name}")


@group.command("explain")
@click.argument("names", nargs=-1)
@click.option("--operation", help="Such as email.send; the first one of the route's contract unless given.")
@click.option("--json", "as_json", is_flag=True, help="The answer as one JSON object.")
@with_appcontext
def explain_routes(names: tuple[str, ...], operation: str | None, as_json: bool) -> None:
    """Say what a call naming these routes, service types, contracts or ids would do now. Nothing is sent."""
    with plain_errors():
        found = explain(runtime(), operation or _operation(names), names)
    if as_json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
    else:
        click.echo(found.operation)
        for one in found.standings:
            name = one.candidate.service_name or one.candidate.via
            click.echo(f"{one.position:>3}. {one.status:8} {name}  {one.code or ''}".rstrip())
            click.echo(f"     {one.reason}")
    if found.first is None:
        raise SystemExit(1)


def _operation(names: tuple[str, ...]) -> str:
    """The first operation of the contract of the first name that is a route."""
    with runtime().sessions() as session:
        known = {route.name: route.contract for route in routes.all_routes(session)}
    contract = next((known[name] for name in names if name in known), None)
    adapter = runtime().catalog.contracts().get(contract or "")
    if adapter is None:
        raise click.UsageError("Say which operation with --operation: no name given is a route.")
    return next(iter(adapter.operations()))


@group.command("drill")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per scenario.")
@with_appcontext
def drill_route(name: str, as_json: bool) -> None:
    """Put a copy of a route through every kind of failure on pretend vendors; exit status 1 unless all is green."""
    good = True
    with plain_errors():
        drill = Drill.of(runtime(), name)
        if not as_json:
            for role in drill.roles:
                played = f", played by {role.played_by}" if role.stand_in else ""
                click.echo(f"{role.name} ({role.service_type}{played})")
            click.echo(
                f"{'':2}{'scenario':46} {'outcome':10} {'tries':>5} {'ms':>6} {'twice':>5} {'breaker':9} back after"
            )
        for score in drill.scores():
            good &= score.ok
            click.echo(json.dumps(score.to_dict(), ensure_ascii=False) if as_json else _line(score))
    if not good:
        raise SystemExit(1)


def _line(score: Score) -> str:
    back = f"{score.recovered_after} call(s)" if score.recovered_after else "never"
    line = (
        f"{'✓' if score.ok else '✗'} {score.label:46} {score.outcome:10} {score.attempts:>5} {score.duration_ms:>6} "
        f"{score.duplicates:>5} {score.breaker:9} {back}"
    )
    return "\n".join([line, *(f"    {complaint}" for complaint in score.complaints)])
