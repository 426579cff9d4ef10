"""Recognise files that contain only a link."""

from __future__ import annotations

from shared.domain.media.office import UnsupportedKind

_GOOGLE = (".gdoc", ".gsheet", ".gslides", ".gform", ".gdraw", ".gjam", ".gsite", ".gscript", ".glink")
_LINK = UnsupportedKind("a link to a page or file", "Save what it leads to as PDF and drop that.")
_GOOGLE_LINK = UnsupportedKind(
    "a link to a Google document, not the document itself",
    "Download that as PDF or in an Office format and drop it.",
)


def link_in(plain: bytes, name: str) -> UnsupportedKind | None:
    """Return the kind of link that a text is, by its name and content; None if it is not a link."""
    ending = name.lower()
    if ending.endswith(_GOOGLE) and plain.lstrip()[:1] == b"{" and (b'"doc_id"' in plain or b'"url"' in plain):
        return _GOOGLE_LINK
    if ending.endswith(".url") and plain.lstrip().startswith(b"[InternetShortcut]"):
        return _LINK
    return _LINK if ending.endswith(".webloc") and b"<key>URL</key>" in plain else None
