"""How safe the record of a call has to be before the call is sent, as a choice."""

from __future__ import annotations

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
