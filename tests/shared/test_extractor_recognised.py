"""Mails and documents are known by what is in them where their names, or the names in them, are unusual."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from shared.domain.media import InMemory, MediaType, identify
from tests.shared.extractor_desk import Desk, open_desk
from tests.shared.made_documents import docx, paragraph, xlsx, zipped


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


@pytest.mark.parametrize("name", ["0001", "inbox/note.txt", "saved.emlx", "Archive.mbox"])
def test_a_mail_is_known_by_its_header_whatever_its_name(desk: Desk, name: str) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "Ms Tanaka <tanaka@example.org>", "The parcel"
    message.set_content("It left today.")
    message.add_attachment("a;b\n1;2\n", filename="sums.csv", subtype="csv", cte="base64")
    data = b"Received: by mx.example.org;\n Fri, 27 Nov 2026 09:00:00 +0000\n" + message.as_bytes()
    if name.endswith("emlx"):
        data = b"%-10d\n" % len(data) + data + b"<?xml version='1.0'?><plist><dict/></plist>\n"
    if name.endswith("mbox"):
        data = b"From a@example.org Fri Nov 27 09:00:00 2026\n" + data + b"\n"
        data += data.replace(b"Received", b"X-Received")
    taken = desk.take(data, name)
    assert taken.text.count("**From:** Ms Tanaka") == taken.text.count("a;b\n1;2") == (2 if "mbox" in name else 1)
    assert "plist" not in taken.text
    assert ("## E-mail 2" in taken.text) == ("mbox" in name)


@pytest.mark.parametrize("text", ["From: me\nTo: you\n\nHello\n", "Received: 3\nFrom here on\nMIME-Version: 1.0\n"])
def test_a_note_that_begins_like_a_mail_stays_a_text(text: str) -> None:
    kind = identify(InMemory(text.encode()), "note.txt")
    assert isinstance(kind, MediaType)
    assert kind.mime == "text/plain"


def test_folders_of_an_archive_may_be_parted_with_backslashes(desk: Desk) -> None:
    for data, words in (
        (xlsx(Sums=[["parcel", 7]]), "parcel | 7"),
        (docx(paragraph("The parcel left.")), "parcel left"),
    ):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        # Writing, `zipfile` makes slashes of the system's own separator only.
        taken = desk.take(zipped({name.replace("/", "\\"): part for name, part in parts.items()}), "file")
        assert words in taken.text
