"""EMAIL_SERVICE: send a mail."""

from __future__ import annotations

import base64
from abc import abstractmethod
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, Field

from adapters.kit import (
    Adapter,
    Address,
    Addresses,
    Base64,
    HeaderName,
    Line,
    MediaType,
    Recipients,
    Safety,
    Wrong,
    N_,
    operation,
    payload,
)

# These are made from the other parameters, so a caller's own value would contradict them.
RESERVED_HEADERS = frozenset(
    {
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "subject",
        "reply-to",
        "date",
        "message-id",
        "mime-version",
        "return-path",
        "received",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "dkim-signature",
    }
)


def _own_header(name: str) -> str:
    if name.lower() in RESERVED_HEADERS:
        raise Wrong(N_("This header is made from the other parameters and cannot be set here."))
    return name


@payload
class Attachment:
    """A file sent along, as base64."""

    filename: Annotated[Line, Field(min_length=1, max_length=255)]
    content_base64: Base64
    content_type: MediaType = "application/octet-stream"

    @property
    def content(self) -> bytes:
        """Return the file's bytes."""
        return base64.b64decode(self.content_base64)


@payload
class Mail:
    """A mail; `to`, `cc` and `bcc` take one address or a list. At least one of `text` and `html` is needed."""

    to: Recipients
    subject: Annotated[Line, Field(max_length=998)]
    text: str = ""
    html: str = ""
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Address | None = None
    headers: dict[
        Annotated[HeaderName, AfterValidator(_own_header)], Annotated[Line, Field(max_length=998)]
    ] = field(default_factory=dict)
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=50)] = ()
    tags: Annotated[
        tuple[Annotated[Line, Field(min_length=1, max_length=128)], ...], Field(max_length=10)
    ] = ()

    def __post_init__(self) -> None:
        if not self.text and not self.html:
            raise Wrong(N_("A mail needs a text or an HTML body."), field="text", code="missing")

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return everyone who gets the mail, each once."""
        return tuple(dict.fromkeys((*self.to, *self.cc, *self.bcc)))


@payload
class Refusal:
    """One recipient the vendor did not accept."""

    address: str
    code: str
    message: str


@payload
class Receipt:
    """The vendor took the mail; `refused` lists recipients it did not take it for."""

    message_id: str
    refused: tuple[Refusal, ...] = ()


class Email(Adapter, contract="EMAIL_SERVICE", namespace="email", label=N_("Email")):
    """What every mail vendor can do."""

    @operation(Safety.UNSAFE, N_("Send a mail"))
    @abstractmethod
    def send(self, mail: Mail) -> Receipt:
        """Hand one mail to the vendor."""
