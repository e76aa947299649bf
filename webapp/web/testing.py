"""Test a connection from a page: of what is stored, or of what stands in a form and is not saved yet.

With htmx the stages stream in as they happen; without JavaScript the same list comes as a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, request

from adapters.kit import FieldSpec, Message, Stage, N_, verdict
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.registry import testing
from webapp.registry.drafts import Draft
from webapp.registry.errors import Invalid, RegistryError
from webapp.web.access import actor, may, requires
from webapp.web.hx import htmx
from webapp.web.i18n import say
from webapp.web.page import fragment, page
from webapp.web.service_form import ServiceForm
from webapp.web.service_pages import about, edit_form, entry_of, load, new_form
from webapp.web.states import stage_label, state_of
from webapp.web.streaming import events

blueprint = Blueprint("testing", __name__, url_prefix="/settings/integrations")
# What comes after each stage that every test begins with; an adapter's own stages have no fixed order.
_NEXT = {"": "settings", "settings": "dns", "dns": "tcp", "tcp": "tls"}


@dataclass(frozen=True, slots=True)
class Tested:
    """What came out for one of several services."""

    service_id: str
    name: str
    verdict: str
    stage: Stage | None


@blueprint.post("/<service_id>/test")
@requires(Verb.SERVICE_TEST)
def stored(service_id: str) -> Response:
    """Test a service: with the settings of its form when they came along, else as it is stored."""
    service = load(service_id)
    if "revision" not in request.form:
        return _answer(_stages(service, None), service=service, saved=True)
    if not may(Verb.SERVICE_WRITE):
        abort(403)
    form, entry = edit_form(service), entry_of(service.service_type)
    draft = Draft.for_change(service, entry, form.values()["configurations"], mode="form", clear=form.clear)
    return _answer(_stages(service, draft), service=service, form=form)


@blueprint.post("/test")
@requires(Verb.SERVICE_WRITE)
def unsaved() -> Response:
    """Test what stands in the form of a service that was not saved yet."""
    service_type = request.args.get("type", "")
    form, entry = new_form(service_type), entry_of(service_type)
    draft = Draft.for_new(entry, form.values()["configurations"], mode="form")
    return _answer(_stages(None, draft), form=form, service_type=service_type)


@blueprint.post("/test-several")
@requires(Verb.SERVICE_TEST)
def several() -> Response:
    """Test the chosen services one after the other, as they are stored; at most ten."""
    chosen = [load(service_id) for service_id in request.form.getlist("service_id")[: testing.TESTS_A_MINUTE]]
    names = [(service, service.service_name) for service in chosen]
    results = (Tested(service.service_id, name, *_run(service)) for service, name in names)
    if htmx.wants_fragment:
        db.session.close()
        return events(_several(names, results))
    return page("integrations/tested_several.html", results=list(results), waiting=[])


@blueprint.get("/test/stopped")
@requires(Verb.SERVICE_TEST)
def stopped() -> Response:
    """Take the place of a running test, which ends the request that carries it; there is nothing to show."""
    return Response(status=204)


def diagnostics(stages: list[Stage]) -> str:
    """The whole test as text that can be sent to somebody; it holds no secret."""
    lines = [_line(stage) for stage in stages]
    return "\n".join([f"{runtime().clock.now():%Y-%m-%dT%H:%M:%SZ}", *lines])


def _line(stage: Stage) -> str:
    parts = (
        say(stage_label(stage.name)),
        say(state_of(stage.status).label),
        f"{stage.duration_ms} ms",
        stage.code,
    )
    remedy = f" – {say(stage.remedy)}" if stage.remedy else ""
    return f"{' · '.join(part for part in parts if part)}: {say(stage.message)}{remedy}"


def _stages(service: Service | None, draft: Draft | None) -> Iterator[Stage]:
    """The stages as they happen; a test that may not begin is one failed stage that says why."""
    try:
        return testing.test(runtime(), service, draft, actor())
    except Invalid as refusal:
        specs = {spec.name: spec for spec in _specs(draft)}
        return iter([_flawed(flaw.field, flaw.message, specs.get(flaw.field)) for flaw in refusal.errors])
    except RegistryError as refusal:
        return iter([Stage("settings", "failed", refusal.message, code=refusal.code)])


def _specs(draft: Draft | None) -> tuple[FieldSpec, ...]:
    return draft.entry.adapter.Config.specs() if draft and draft.entry.adapter else ()


def _flawed(name: str, message: Message, spec: FieldSpec | None) -> Stage:
    label = Message.of(spec.label) if spec else name
    text = Message.of(N_("%(field)s is not right yet."), field=label)
    return Stage("settings", "failed", text, remedy=message, code="CONFIG_INVALID", field=name)


def _answer(
    stages: Iterator[Stage],
    *,
    service: Service | None = None,
    form: ServiceForm | None = None,
    service_type: str = "",
    saved: bool = False,
) -> Response:
    subject = (service.service_id, service.revision) if service and saved else None
    if htmx.wants_fragment:
        db.session.close()  # the stream may last 15 s; no transaction stays open meanwhile
        return _stream(stages, subject)
    done = list(stages)
    _keep(subject, done)
    context: dict[str, Any] = about(service) if service else {}
    kind = service_type or (service.service_type if service else "")
    entry = runtime().catalog.get(kind)
    return page("integrations/tested.html", **context, **outcome(done), entry=entry, form=form)


def _stream(stages: Iterator[Stage], subject: tuple[str, int] | None) -> Response:
    def contexts() -> Iterator[dict[str, Any]]:
        done: list[Stage] = []
        yield outcome(done, running=True)
        for stage in stages:
            done.append(stage)
            yield outcome(done, running=stage.status != "failed")
        _keep(subject, done)
        yield outcome(done)

    return events(fragment("integrations/tested.html", "result", **context) for context in contexts())


def _several(names: list[tuple[Service, str]], results: Iterator[Tested]) -> Iterator[str]:
    template, waiting, done = "integrations/tested_several.html", [name for _, name in names], list[Tested]()
    yield fragment(template, "results", results=done, waiting=waiting)
    for result in results:
        done.append(result)
        yield fragment(template, "results", results=done, waiting=waiting[len(done) :])


def _run(service: Service) -> tuple[str, Stage | None]:
    """The verdict, and the stage that decided it when it was not the last."""
    subject = (service.service_id, service.revision)
    stages = list(_stages(service, None))
    _keep(subject, stages)
    return verdict(stages), next((stage for stage in stages if stage.status in {"failed", "warning"}), None)


def outcome(done: list[Stage], *, running: bool = False) -> dict[str, Any]:
    """What the template of a test shows: the stages so far, what comes next, and in the end the verdict."""
    upcoming = _NEXT.get(done[-1].name if done else "", "request")
    return {
        "stages": done,
        "upcoming": upcoming if running else None,
        "verdict": None if running else verdict(done),
        "report": diagnostics(done) if done and not running else "",
    }


def _keep(subject: tuple[str, int] | None, stages: list[Stage]) -> None:
    """Remember the verdict on what is stored; a test of unsaved values says nothing about it."""
    if subject is None:
        return
    with runtime().sessions() as session:
        testing.record_test(session, *subject, verdict(stages), at=runtime().clock.now())
        session.commit()
