"""What is kept of calls and how safely, as choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext
from wtforms import SelectField
from wtforms.fields import SelectChoice


def durability_field() -> SelectField:
    """The unbound field; the registry says what it takes."""
    return SelectField(
        gettext("Safety of the call record"),
        choices=[
            SelectChoice("process", gettext("Survives the end of the process")),
            SelectChoice("disk", gettext("Survives a power cut: waits for the disk")),
            SelectChoice("database", gettext("In the call log first: waits for the database")),
        ],
        description=gettext(
            "What the record of a call must have reached before it is sent and before it returns."
        ),
        validate_choice=False,
    )


def keep_inputs_field() -> SelectField:
    """The unbound field: whether failed calls can be made again."""
    return SelectField(
        gettext("Keep the input of calls"),
        choices=[SelectChoice("no", gettext("no")), SelectChoice("yes", gettext("of failed calls"))],
        description=gettext(
            "Sealed, as long as bodies are kept, so that operators can make a failed call again."
        ),
        validate_choice=False,
    )


def record_values(service: Any) -> dict[str, str]:
    """What the fields show for a stored service."""
    return {"durability": service.durability, "keep_inputs": "yes" if service.keep_inputs else "no"}


RECORD_FIELDS: Mapping[str, Any] = {"durability": durability_field, "keep_inputs": keep_inputs_field}
