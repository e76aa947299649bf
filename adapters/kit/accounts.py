"""What goes to a provider of accounts and what comes back, in the steps of linking and using an account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue

from adapters.kit import oidc
from adapters.kit.invalid import Wrong
from adapters.kit.operation import payload
from adapters.kit.reply import Reply
from adapters.kit.syntax import HeaderName, Line
from adapters.kit.text import N_

_PATH = re.compile(r"/[^\x00-\x20\x7f\\#?]*")
_ID_MAX = 255
Scalar = str | int | float | bool


def _api_path(path: str) -> str:
    segments = path.replace("%2e", ".").replace("%2E", ".").split("/")
    if not _PATH.fullmatch(path) or path.startswith("//") or {".", ".."} & set(segments):
        raise Wrong(N_("Give a path at the provider's interface, such as /v1/items, without a query."))
    return path


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider's steps happen; empty where it has no such step. `jwks` comes with identity tokens."""

    authorize: str
    token: str
    userinfo: str = ""
    revoke: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@payload
class Nothing:
    """An operation without parameters."""


@payload
class Account:
    """The account that a person linked."""

    account_id: str
    label: str
    email: str | None = None
    name: str | None = None
    claims: dict[str, JsonValue] = field(default_factory=dict)


@payload
class ApiRequest:
    """A request to the provider's interface, made with the person's own permissions."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: Annotated[str, AfterValidator(_api_path), Field(max_length=2000)] = "/"
    query: dict[str, Scalar | list[Scalar]] = field(default_factory=dict)
    headers: dict[HeaderName, Annotated[Line, Field(max_length=4096)]] = field(default_factory=dict)
    json: JsonValue = None


@payload
class ApiReply:
    """What the provider's interface answered: JSON where it is JSON, else text."""

    status: int
    headers: dict[str, str]
    json: JsonValue = None
    text: str | None = None


@payload
class Ask:
    """What the provider is asked for on the way there."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    choose: bool = False


@payload
class Code:
    """What came back from the provider, and what it has to fit."""

    code_secret: str
    redirect_uri: str
    nonce: str
    verifier_secret: str


@payload
class Renewal:
    """A refresh token to be exchanged."""

    refresh_token: str


@payload
class Release:
    """Tokens that nobody needs any more."""

    access_token: str
    refresh_token: str | None = None


@payload
class Grant:
    """The tokens of one person and, after linking, whose they are. Times are in seconds from now."""

    access_token: str
    refresh_token: str | None = None
    expires_in: int | None = None
    refresh_expires_in: int | None = None
    scopes: tuple[str, ...] | None = None
    account: Account | None = None


@payload
class Released:
    """Whether the provider forgot the tokens."""

    revoked: bool = True


def seconds(value: object) -> int | None:
    """Read a lifetime; what is no sensible number counts as not given."""
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if 0 < number < 10**9 else None


def make_account(
    said: Mapping[str, Any], key: str, labels: tuple[str, ...], email: str, name: str
) -> Account:
    """Build the account from a provider's own names; raises a Fault without a usable id."""
    account_id = str(said.get(key) or "")
    if not 0 < len(account_id) <= _ID_MAX or not account_id.isprintable():
        raise oidc.invalid(key)
    label = next((text for field in labels if (text := _line(said.get(field)))), account_id)
    return Account(
        account_id, label, _line(said.get(email)) or None, _line(said.get(name)) or None, dict(said)
    )


def _line(value: object) -> str:
    """One printable line of a text, and nothing of anything else."""
    return (
        "".join(sign for sign in value if sign.isprintable())[:_ID_MAX].strip()
        if isinstance(value, str)
        else ""
    )


def api_reply(reply: Reply) -> ApiReply:
    """Read what the provider's interface answered."""
    kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    headers = dict(reply.headers)
    if reply.body and kind.endswith(("/json", "+json")):
        return ApiReply(reply.status, headers, json=reply.json())
    return ApiReply(reply.status, headers, text=reply.text or None)
