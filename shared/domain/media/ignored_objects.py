"""Recognise objects that tools created for themselves, which get no task.

Parts of a parallel upload: `gcloud storage cp` and gsutil write a large file in parts, compose and delete them; each
part is a finalized object (gcloud, "Parallel composite uploads"; gsutil wrote them under a leading slash).
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.recipe.globs import glob_pattern

_PARTS = ("gcloud/tmp/parallel_composite_uploads/", "gsutil/tmp/parallel_composite_uploads/")
_NAMES = {
    ".ds_store", ".localized", ".apdisk", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory", ".gitkeep", ".keep",
    ".dropbox", ".dropbox.attr",
}  # fmt: skip
_BEGINNINGS = ("._", "~$", ".~lock.", ".nfs", ".fuse_hidden", ".goutputstream-", ".syncthing.", "~syncthing~")
_ENDINGS = (".icloud", ".crdownload", ".part", ".partial", ".filepart", ".opdownload", "_.gstmp")
"""Base names in lower case: notes of file managers, locks of editors, unfinished downloads."""
_FOLDERS = {"__macosx", ".trash", ".trashes", ".spotlight-v100", ".fseventsd", "@eadir", "$recycle.bin"}


def reason_to_ignore(name: str, patterns: Sequence[str] = ()) -> str | None:
    """Return why an object of this name is ignored; None if it is not.

    `patterns`: the operator's globs. One with a slash is matched against the whole name, others against its last part.
    """
    if name.removeprefix("/").startswith(_PARTS):
        return "it is a part of a parallel upload, which is composed and deleted"
    *folders, last = name.lower().split("/")
    if last in _NAMES or last.startswith(_BEGINNINGS) or last.endswith(_ENDINGS) or _is_temporary(last):
        return "a tool put it down for itself, by its name"
    if not _FOLDERS.isdisjoint(folders):
        return "a tool put its folder down for itself, by its name"
    for pattern in patterns:
        if glob_pattern(pattern).fullmatch(name if "/" in pattern else name.rpartition("/")[2]):
            return f"the inbox ignores {pattern}"
    return None


def _is_temporary(last: str) -> bool:
    """Temporary files that Microsoft Office writes while it saves."""
    return last.startswith("~") and last.endswith(".tmp")
