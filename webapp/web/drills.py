"""The drill of a route from its page: the scorecard streams in as scenarios end, or comes as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort

from webapp.accounts.roles import Verb
from webapp.drill.run import Drill, Score
from webapp.drill.scenarios import SCENARIOS
from webapp.extensions import db, runtime
from webapp.registry.errors import Conflict, NotFound
from webapp.vault import audit
from webapp.web.access import actor, requires
from webapp.web.hx import htmx
from webapp.web.page import fragment, page
from webapp.web.streaming import events

blueprint = Blueprint("drills", __name__, url_prefix="/settings/routes")
_TEMPLATE = "routes/drill.html"


@blueprint.post("/<name>/drill")
@requires(Verb.SERVICE_TEST)
def run(name: str) -> Response:
    """Put a copy of the route through every kind of failure."""
    who = actor()
    db.session.close()
    steps = _steps(name, who)
    if htmx.wants_fragment:
        first = next(steps)
        return events(fragment(_TEMPLATE, "result", **step) for step in _again(first, steps))
    *_, last = steps
    return page(_TEMPLATE, status=409 if last["refusal"] else 200, **last)


def _again(first: dict[str, Any], rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from rest


def _steps(name: str, who: str) -> Iterator[dict[str, Any]]:
    """The scorecard as it grows; the last step has them all, or the reason why there is no drill."""
    scores: list[Score] = []
    try:
        drill = Drill.of(runtime(), name)
        yield _told(name, drill, scores)
        for score in drill.scores():
            scores.append(score)
            yield _told(name, drill, scores)
    except NotFound:
        abort(404)
    except Conflict as refused:
        yield _told(name, None, scores, refusal=refused.message)
        return
    _note(name, who, scores)


def _told(name: str, drill: Drill | None, scores: list[Score], **more: Any) -> dict[str, Any]:
    done = len(scores) == len(SCENARIOS)
    return {
        "name": name,
        "roles": drill.roles if drill else [],
        "scores": list(scores),
        "done": done,
        "good": all(score.ok for score in scores),
        "upcoming": "" if done else SCENARIOS[len(scores)].label,
        "refusal": None,
    } | more


def _note(name: str, who: str, scores: list[Score]) -> None:
    failed = [score.key for score in scores if not score.ok]
    with runtime().sessions() as session:
        audit.append(
            session, runtime(), actor=who, action="route.drill", target=name, detail={"failed": failed}
        )
        session.commit()
