"""HTTP_SERVICE: any request to a service that speaks HTTP."""

from __future__ import annotations

import base64
import re
from abc import abstractmethod
from dataclasses import field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from adapters.kit import Adapter, Base64, HeaderName, Line, Safety, Wrong, N_, operation, payload

# The connection's own business: a caller's value would break the framing of the request.
RESERVED_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "proxy-authorization",
        "proxy-connection",
    }
)
_PATH = re.compile(r"/?[^\x00-\x20\x7f\\#?]*")


def _own_header(name: str) -> str:
    if name.lower() in RESERVED_HEADERS:
        raise Wrong(N_("This header belongs to the connection and cannot be set here."))
    return name


def _relative_path(path: str) -> str:
    segments = path.replace("%2e", ".").replace("%2E", ".").split("/")
    if not _PATH.fullmatch(path) or path.startswith("//") or "://" in path or {".", ".."} & set(segments):
        raise Wrong(N_("Give a path below the base address, such as /v1/items, without a query."))
    return path


Scalar = str | int | float | bool


@payload
class Request:
    """A request below the service's base address, with at most one of `json`, `form` and `body_base64`."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: Annotated[str, AfterValidator(_relative_path), Field(max_length=2000)] = "/"
    query: dict[str, Scalar | list[Scalar]] = field(default_factory=dict)
    headers: dict[
        Annotated[HeaderName, AfterValidator(_own_header)], Annotated[Line, Field(max_length=4096)]
    ] = field(default_factory=dict)
    json: JsonValue = None
    form: dict[str, Scalar | list[Scalar]] | None = None
    body_base64: Base64 | None = None
    safety: Safety | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("json", "form", "body_base64") if getattr(self, name) is not None]
        if len(given) > 1:
            raise Wrong(N_("Give only one of json, form and body_base64."), field=given[1])

    @property
    def body(self) -> bytes | None:
        """Return the raw body, where one was given."""
        return None if self.body_base64 is None else base64.b64decode(self.body_base64)


@payload
class Response:
    """What came back: JSON where it is JSON, text where it is text, else base64."""

    status: int
    headers: dict[str, str]
    json: JsonValue = None
    text: str | None = None
    body_base64: str | None = None


class HttpService(Adapter, contract="HTTP_SERVICE", namespace="http", label=N_("HTTP")):
    """What every plain HTTP service can do."""

    @operation(Safety.UNSAFE, N_("Make a request"))
    @abstractmethod
    def request(self, request: Request) -> Response:
        """Make one request."""
