"""SMS_SERVICE: send a text message."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import field
from typing import Annotated

from pydantic import Field

from adapters.kit import Adapter, Line, Safety, N_, operation, payload


@payload
class Text:
    """A text message: a `template` with its parameters, or plain `text`; what a vendor needs differs."""

    to: Annotated[str, Field(pattern=r"^\+?[0-9]{5,20}$")]
    template: Annotated[Line, Field(max_length=100)] = ""
    template_params: Annotated[dict[str, Annotated[str, Field(max_length=2000)]], Field(max_length=50)] = (
        field(default_factory=dict)
    )
    text: Annotated[str, Field(max_length=2000)] = ""
    sign: Annotated[Line, Field(max_length=100)] = ""


@payload
class Receipt:
    """The vendor took the message; `segments` is how many it counts, where it says so."""

    message_id: str
    segments: int | None = None


class Sms(Adapter, contract="SMS_SERVICE", namespace="sms", label=N_("Text message")):
    """What every text message vendor can do."""

    @operation(Safety.UNSAFE, N_("Send a text message"))
    @abstractmethod
    def send(self, text: Text) -> Receipt:
        """Hand one message to the vendor."""
