"""Open documents that are ZIP archives, and limit what they may contain."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, cast
from xml.etree import ElementTree

from shared.domain.media.random_access import DamagedError

_MAX_ENTRIES = 20_000
_MAX_UNPACKED = 2 << 30
_MAX_RATIO, _RATIO_FROM = 200, 64 << 20
"""Largest ratio of unpacked to packed bytes above 64 MiB; the text of documents has 10 to 30."""
MAX_XML = 64 << 20
"""Bytes of a part that is read whole."""
_HEAD = 4096
_RELATIONSHIPS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_BOMB = "The document unpacks to far more than it should hold: it is damaged or made to do harm."
_LOCKED = "The document is protected with a password. Save it without, and upload that."


class Archive:
    """A document's archive. Its parts are read one by one."""

    def __init__(self, file: BinaryIO) -> None:
        """Raise `DamagedError` if it is not an archive, is locked or too large, or declares XML entities."""
        try:
            self.zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            message = "The document cannot be unpacked: it is truncated or damaged. Upload it again."
            raise DamagedError(message) from error
        entries = self.zip.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        packed = sum(entry.compress_size for entry in entries)
        if len(entries) > _MAX_ENTRIES or unpacked > _MAX_UNPACKED or unpacked > _allowed(packed):
            raise DamagedError(_BOMB)
        for entry in entries:
            if entry.file_size > _allowed(entry.compress_size):
                raise DamagedError(_BOMB)
            if entry.flag_bits & 1:
                raise DamagedError(_LOCKED)
            # Some Windows programs separate folders with backslashes, which `zipfile` keeps.
            entry.filename = entry.filename.replace("\\", "/")
        self.zip.NameToInfo = {entry.filename: entry for entry in entries}
        self._names = {entry.filename.lower(): entry.filename for entry in entries}

    def refuse_entities(self) -> None:
        """Raise `DamagedError` for parts that declare entities, which documents of these formats never do."""
        for entry in self.zip.infolist():
            if entry.filename.lower().endswith((".xml", ".rels", ".vml")):
                with self.zip.open(entry) as part:
                    head = part.read(_HEAD).replace(b"\0", b"").upper()
                if b"<!ENTITY" in head:
                    raise DamagedError("The document declares XML entities, which such documents never need.")

    def has(self, name: str) -> bool:
        return name.lower() in self._names

    def names(self) -> Iterator[str]:
        return iter(self._names.values())

    def size(self, name: str) -> int:
        return self.zip.getinfo(self._names[name.lower()]).file_size if self.has(name) else 0

    def read(self, name: str, most: int = MAX_XML) -> bytes | None:
        """Return a part; None if there is none, or it has more than `most` bytes."""
        if not self.has(name) or self.size(name) > most:
            return None
        try:
            return self.zip.read(self._names[name.lower()])
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            raise DamagedError(f"The document's part {name} cannot be unpacked: it is damaged.") from error

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self.zip.open(self._names[name.lower()]))

    def xml(self, name: str) -> ElementTree.Element | None:
        """Return the root of a part; None if there is none."""
        if self.size(name) > MAX_XML:
            raise DamagedError(f"The document's part {name} is too large to be read.")
        data = self.read(name)
        if data is None:
            return None
        try:
            return ElementTree.fromstring(data)  # noqa: S314
        except ElementTree.ParseError as error:
            raise DamagedError(f"The document's part {name} is no XML: it is damaged.") from error

    def targets(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the relationships of an Office part: for each id, the kind and the part that it names."""
        folder, name = posixpath.split(part)
        root = self.xml(f"{folder}/_rels/{name}.rels".lstrip("/"))
        relations: dict[str, tuple[str, str]] = {}
        for element in root.iter(_RELATIONSHIPS) if root is not None else ():
            if element.get("TargetMode") == "External":
                continue
            target = element.get("Target", "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            relations[element.get("Id", "")] = element.get("Type", "").rpartition("/")[2], path
        return relations


def _allowed(packed: int) -> int:
    return max(_RATIO_FROM, _MAX_RATIO * packed)
