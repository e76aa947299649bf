"""People who sign in: invite them, change what they may do, shut them out, help them back in."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse
from wtforms import EmailField, SelectField, StringField
from wtforms.fields import SelectChoice

from adapters.kit import Message, N_
from webapp.accounts import administration, browsers, links, second_factor, users
from webapp.accounts.administration import AdministrationRefused
from webapp.accounts.roles import ROLE_LABELS, Role, Verb, grantable
from webapp.extensions import db, runtime
from webapp.models.factor import SecondFactor
from webapp.models.passkey import Passkey
from webapp.models.user import User
from webapp.web.access import person, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.step_up import step_up
from webapp.web.strict import Form, take_only

blueprint = Blueprint("users", __name__, url_prefix="/settings/users")

ROLE_LEADS = {
    Role.MEMBER: N_("Only accounts of their own: links them and takes the links away."),
    Role.VIEWER: N_("Sees services, routes and the log without what was sent."),
    Role.OPERATOR: N_("Also tests, enables and disables services, makes calls and reads what was sent."),
    Role.ADMIN: N_("Also adds and changes services, secrets, routes, people and tokens; reads the audit."),
    Role.OWNER: N_("Everything, the encryption keys included."),
}


class InviteForm(Form):
    """Whom to let in, and what they may do."""

    email = EmailField(_l("Email address"), render_kw={"autocomplete": "off", "maxlength": users.MAX_EMAIL})
    name = StringField(_l("Name"), render_kw={"autocomplete": "off", "maxlength": users.MAX_NAME})
    role = SelectField(_l("Role"), validate_choice=False, default=Role.VIEWER.value)


@blueprint.get("")
@requires(Verb.USER_MANAGE)
def index() -> Response:
    """List everybody who can sign in, or could."""
    session = db.session()
    apps = select(SecondFactor.user_id).where(SecondFactor.confirmed_at.is_not(None))
    factors = {*session.scalars(apps), *session.scalars(select(Passkey.user_id))}
    return page(
        "users/index.html",
        people=session.scalars(select(User).order_by(User.is_active.desc(), User.email)).all(),
        factors=factors,
        links=links.open_links(session, runtime()),
        sessions=browsers.counts(session, runtime()),
        role_labels=ROLE_LABELS,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Verb.USER_MANAGE)
@step_up
def invite() -> BaseResponse:
    """Add a person and show the link to hand over to them, once."""
    form = InviteForm()
    form.role.choices = [SelectChoice(value, label) for value, label in _roles()]
    if not form.validate_on_submit():
        return _invite_page(form)
    try:
        user, token = _add(form)
    except (users.UserInvalid, AdministrationRefused) as refused:
        db.session.rollback()
        return _invite_page(_with_errors(form, refused))
    db.session.commit()
    return _link_page(user, token, links.INVITE)


@blueprint.get("/<user_id>")
@requires(Verb.USER_MANAGE)
def show(user_id: str) -> Response:
    """One person: role, ways to sign in, and help."""
    session, user = db.session(), _user(user_id)
    return page(
        "users/show.html",
        user=user,
        has_factor=second_factor.has_factor(session, user),
        link=links.open_links(session, runtime()).get(user_id),
        browsers=browsers.open_sessions(session, runtime(), user),
        roles=_roles(),
        leads=[(ROLE_LABELS[role], ROLE_LEADS[role]) for role in Role],
        role_label=ROLE_LABELS[Role(user.role)],
        changeable=administration.may_administer(person(), user),
    )


@blueprint.post("/<user_id>/role")
@requires(Verb.USER_MANAGE)
@step_up
def change_role(user_id: str) -> BaseResponse:
    """Give a person another role."""
    take_only({"role"})
    role = request.form.get("role", "")
    return _do(
        user_id,
        lambda user: administration.change_role(db.session(), runtime(), user, role, actor=person()),
        N_("%(email)s has another role now."),
    )


@blueprint.post("/<user_id>/disable")
@requires(Verb.USER_MANAGE)
@step_up
def disable(user_id: str) -> BaseResponse:
    """Shut a person out."""
    take_only(())
    return _do(
        user_id,
        lambda user: administration.disable(db.session(), runtime(), user, actor=person()),
        N_("%(email)s cannot sign in any more."),
    )


@blueprint.post("/<user_id>/enable")
@requires(Verb.USER_MANAGE)
@step_up
def enable(user_id: str) -> BaseResponse:
    """Let a person in again."""
    take_only(())
    return _do(
        user_id,
        lambda user: administration.enable(db.session(), runtime(), user, actor=person()),
        N_("%(email)s can sign in again."),
    )


@blueprint.post("/<user_id>/sign-out")
@requires(Verb.USER_MANAGE)
@step_up
def sign_out(user_id: str) -> BaseResponse:
    """Sign a person out of every browser."""
    take_only(())
    return _do(
        user_id,
        lambda user: administration.end_sessions(db.session(), runtime(), user, actor=person()),
        N_("%(email)s is signed out everywhere."),
    )


@blueprint.post("/<user_id>/reset-second-step")
@requires(Verb.USER_MANAGE)
@step_up
def reset_factor(user_id: str) -> BaseResponse:
    """Take the second step of a person away, whose phone is lost."""
    take_only(())
    return _do(
        user_id,
        lambda user: administration.reset_factor(db.session(), runtime(), user, actor=person()),
        N_("The second step of %(email)s is reset."),
    )


@blueprint.post("/<user_id>/reset-password")
@requires(Verb.USER_MANAGE)
@step_up
def reset_password(user_id: str) -> BaseResponse:
    """Make a link for a new password, shown once; the old password stops working."""
    take_only(())
    user = _user(user_id)
    try:
        token = administration.reset_password(db.session(), runtime(), user, actor=person())
    except AdministrationRefused as refused:
        db.session.rollback()
        return _back(user_id, refused)
    db.session.commit()
    return _link_page(user, token, links.RESET)


def _add(form: InviteForm) -> tuple[User, str]:
    return administration.invite(
        db.session(),
        runtime(),
        email=form.email.data or "",
        name=form.name.data or "",
        role=form.role.data or "",
        actor=person(),
    )


def _do(user_id: str, change: Callable[[User], object], done: str) -> BaseResponse:
    user = _user(user_id)
    try:
        change(user)
    except AdministrationRefused as refused:
        db.session.rollback()
        return _back(user_id, refused)
    db.session.commit()
    notify(Message.of(done, email=user.email))
    return redirect(url_for(".show", user_id=user_id), 303)


def _back(user_id: str, refused: AdministrationRefused) -> BaseResponse:
    notify(refused.message, "bad")
    return redirect(url_for(".show", user_id=user_id), 303)


def _user(user_id: str) -> User:
    return db.session.get(User, user_id) or abort(404)


def _roles() -> list[tuple[str, str]]:
    return [(role.value, gettext(ROLE_LABELS[role])) for role in grantable(person().role)]


def _with_errors(form: InviteForm, refused: users.UserInvalid | AdministrationRefused) -> InviteForm:
    if isinstance(refused, AdministrationRefused):
        form.role.errors = [say(refused.message)]
    else:
        for problem in refused.problems:
            form[problem.field].errors = [*form[problem.field].errors, say(problem.message)]
    return form


def _invite_page(form: InviteForm) -> Response:
    leads = [(ROLE_LABELS[role], ROLE_LEADS[role]) for role in grantable(person().role)]
    return page("users/invite.html", None, 422 if form.is_submitted() else 200, form=form, leads=leads)


def _link_page(user: User, token: str, purpose: str) -> Response:
    base = (runtime().config.base_url or request.host_url).rstrip("/")
    hours = int(links.LIFETIMES[purpose].total_seconds() // 3600)
    return page(
        "users/link.html",
        user=user,
        link=base + url_for("join.welcome", token=token),
        days=hours // 24,
        purpose=purpose,
    )
