"""Sentences of adapters without the secrets of the settings they were said about."""

from __future__ import annotations

from adapters.kit import Message, Settings
from webapp.engine.logging import process_secrets
from webapp.engine.opening import redactor_of, secrets_of


def without_secrets(message: Message, config: Settings) -> Message:
    """The sentence as it may be shown and kept: an adapter may have put a vendor's echo of a secret into it."""
    process_secrets.learn(secrets_of(config))
    hide = redactor_of(config).known
    if hide(message.msgid) != message.msgid:
        return Message("%(text)s", {"text": hide(str(message))})
    values = {
        name: hide(value) if isinstance(value, str) else value for name, value in message.values.items()
    }
    return Message(message.msgid, values)
