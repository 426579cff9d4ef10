"""Extract the header, text, pictures and attachments of e-mails (EML) and saved web pages (MHT)."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable
from email.message import EmailMessage, MIMEPart

from shared.extractor_child.document import Document
from shared.extractor_child.markup import to_markdown
from shared.extractor_child.pictures import add_picture

_HEADERS = ("From", "To", "Cc", "Bcc", "Date", "Subject", "Reply-To")

_SIZE = re.compile(rb"(\d{1,10})[ \t]{0,8}\r?\n")
_BETWEEN = re.compile(rb"(?<=\n)\r?\n(?=From [^\r\n]{1,200}\r?\n[!-9;-~]{1,76}:)")
"""The empty line before the next message of a mailbox (RFC 4155)."""

Attach = Callable[[bytes, str, str, Document], None]
"""Takes apart an attachment: its bytes, name and declared type."""


def extract_mail(data: bytes, document: Document, attach: Attach) -> None:
    messages = _messages(data)
    for number, each in enumerate(messages, 1):
        if len(messages) > 1:
            document.add(f"## E-mail {number}")
        add_mail(email.message_from_bytes(each, policy=email.policy.default), document, attach)


def _messages(data: bytes) -> list[bytes]:
    """Return the messages. A mailbox has many, and Apple Mail puts a byte count before its only one."""
    if sized := _SIZE.match(data):
        return [data[sized.end() : sized.end() + int(sized[1])]]
    return _BETWEEN.split(data) if data.startswith(b"From ") else [data]


def add_mail(message: EmailMessage, document: Document, attach: Attach) -> None:
    document.add("\n".join(f"**{name}:** {_header(message, name)}" for name in _HEADERS if _header(message, name)))
    pictures, attached = _parts(message)
    body = message.get_body(("plain", "html"))
    shown: set[str] = set()
    if body is not None:
        text = _text(body)
        if body.get_content_subtype() == "html":

            def show(source: str, title: str) -> str:
                known = pictures.get(source.removeprefix("cid:"))
                shown.add(source.removeprefix("cid:"))
                return add_picture(document, known, title) if known is not None else ""

            text = to_markdown(text, show)
        document.add(text)
    for number, data in pictures.items():
        if number not in shown:
            document.add(add_picture(document, data, ""))
    for part in attached:
        _add_attachment(part, document, attach)


def _parts(message: EmailMessage) -> tuple[dict[str, bytes], list[EmailMessage]]:
    """Return the inline pictures by content id or address, and the attachments."""
    pictures: dict[str, bytes] = {}
    attached: list[EmailMessage] = []
    body = {part for kind in ("plain", "html") if (part := message.get_body((kind,))) is not None}
    for part in _leaves(message):
        if part in body:
            continue
        address = str(part["Content-ID"] or part["Content-Location"] or "").strip("<> ")
        if part.get_content_maintype() == "image" and address and not part.is_attachment():
            pictures[address] = _bytes(part)
        elif part["Content-Location"] and not part.is_attachment():
            # Style sheets, scripts and frames of a saved web page.
            continue
        else:
            attached.append(part)
    return pictures, attached


def _leaves(message: EmailMessage) -> list[EmailMessage]:
    """Return the parts that have content. A nested message counts as one part."""
    if not message.is_multipart():
        return [message]
    found: list[EmailMessage] = []
    for part in message.iter_parts():
        if isinstance(part, EmailMessage):
            found += [part] if part.get_content_type() == "message/rfc822" else _leaves(part)
    return found


def _add_attachment(part: EmailMessage, document: Document, attach: Attach) -> None:
    name = part.get_filename() or ""
    if part.get_content_type() == "message/rfc822":
        inside = next(iter(part.iter_parts()), None)
        document.add(f"### Attached e-mail {name}".rstrip())
        if isinstance(inside, EmailMessage):
            add_mail(inside, document, attach)
        return
    attach(_bytes(part), name, part.get_content_type(), document)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, LookupError, AttributeError, IndexError):
        # The email package cannot parse this header.
        return " ".join(str(dict(message.raw_items()).get(name, "")).split())


def _text(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):
        return _bytes(part).decode("utf-8", "replace")


def _bytes(part: MIMEPart) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
