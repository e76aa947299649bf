"""A mail as the lines that SMTP carries."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from adapters.email import Mail

# Bodies are encoded for seven bits, so that every server can pass them on.
_PLAIN = SMTP.clone(cte_type="7bit")
_UTF8 = SMTPUTF8.clone(cte_type="7bit")


def needs_utf8(sender: str, mail: Mail) -> bool:
    """Say whether an address lies outside ASCII, which only servers with SMTPUTF8 accept."""
    return not all(address.isascii() for address in (sender, *mail.recipients, mail.reply_to or ""))


def to_mime(mail: Mail, *, sender: Address, message_id: str, date: datetime) -> bytes:
    """Return the message as bytes; blind copies are not in it. Raises ValueError for a broken header."""
    message = EmailMessage(policy=_UTF8 if needs_utf8(sender.addr_spec, mail) else _PLAIN)
    message["From"] = sender
    message["To"] = [_address(address) for address in mail.to]
    if mail.cc:
        message["Cc"] = [_address(address) for address in mail.cc]
    if mail.reply_to:
        message["Reply-To"] = _address(mail.reply_to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(date)
    message["Message-ID"] = message_id
    if mail.tags:
        message["X-Tags"] = ", ".join(mail.tags)
    for name, value in mail.headers.items():
        message[name] = value
    _fill(message, mail)
    return message.as_bytes()


def _fill(message: EmailMessage, mail: Mail) -> None:
    if mail.text:
        message.set_content(mail.text)
    if mail.html and mail.text:
        message.add_alternative(mail.html, subtype="html")
    elif mail.html:
        message.set_content(mail.html, subtype="html")
    for file in mail.attachments:
        kind, _, subtype = file.content_type.partition(";")[0].strip().partition("/")
        if kind in {"multipart", "message"}:
            # Their content would be read as more parts of this mail.
            kind, subtype = "application", "octet-stream"
        message.add_attachment(file.content, maintype=kind, subtype=subtype, filename=file.filename)


def _address(text: str) -> Address:
    name, _, domain = text.rpartition("@")
    return Address(username=name, domain=domain)
