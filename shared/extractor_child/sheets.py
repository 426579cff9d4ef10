"""Extract the tables, comments and pictures of Excel workbooks (XLSX), sheet by sheet and row by row."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree import ElementTree

from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.exceptions import InvalidFileException

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.archive import Archive
from shared.extractor_child.charts import title_of
from shared.extractor_child.document import Document, TooLongError
from shared.extractor_child.ooxml import R, drawn_paragraphs, xml_of
from shared.extractor_child.pictures import add_picture

_MAX_STRINGS = 48 << 20
"""Of the table of all texts, which is held in memory: more than any model takes."""
_DAMAGED = "The workbook cannot be read: it is damaged, or not quite as Excel writes it. Save it anew as XLSX or CSV."
_NO_SHEETS = (
    "The workbook has no sheets that can be read; it may be in strict Open XML. Save it as ordinary XLSX or CSV."
)


def extract_sheets(file: BinaryIO, document: Document) -> None:
    archive = Archive(file)
    archive.refuse_entities()
    if any(archive.size(name) > _MAX_STRINGS for name in archive.names() if name.lower().endswith("sharedstrings.xml")):
        raise TooLongError
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = _opened(file, archive)
            if not book.worksheets:
                raise DamagedError(_NO_SHEETS)
            for sheet in book.worksheets:
                hidden = "" if sheet.sheet_state == "visible" else " (hidden)"
                document.add(f"## Sheet: {sheet.title}{hidden}")
                sheet.reset_dimensions()
                if not document.add_table(_rows(sheet)):
                    document.add("(no cells)")
                _add_what_belongs_to(archive, sheet._worksheet_path, document)
    except (TooLongError, DamagedError, MemoryError):
        raise
    except InvalidFileException as error:
        raise DamagedError(_DAMAGED) from error
    except Exception as error:
        # openpyxl lets any exception through that an unexpected value causes.
        raise DamagedError(_DAMAGED) from error


def _opened(file: BinaryIO, archive: Archive) -> Any:
    """Open a workbook as `openpyxl.load_workbook` does, with the names that its archive's parts should have."""
    reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
    reader.archive, reader.valid_files = archive.zip, archive.zip.namelist()
    reader.read()
    return reader.wb


def _rows(sheet: Any) -> Iterator[list[str]]:
    for row in sheet.iter_rows(values_only=True):
        yield [_shown(value) for value in row]


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(" ", "seconds")
        case _:
            return str(value)


def _add_what_belongs_to(archive: Archive, sheet: str, document: Document) -> None:
    """Add the comments and the pictures of a sheet."""
    for kind, part in archive.targets(sheet.lstrip("/")).values():
        if kind == "comments" and (root := archive.xml(part)) is not None:
            document.add("\n".join(_comments(root)))
        elif kind == "drawing":
            _add_drawing(archive, part, document)


def _add_drawing(archive: Archive, part: str, document: Document) -> None:
    """Add the text boxes, chart titles and pictures of a sheet."""
    targets = archive.targets(part)
    try:
        root = xml_of(archive, part)
        charts = [xml_of(archive, path) for kind, path in targets.values() if kind == "chart"]
    except DamagedError as damage:
        document.notes.append(f"What is drawn on a sheet was left out. {damage}")
        return
    if root is None:
        return
    for anchor in root:
        document.add("\n".join(drawn_paragraphs(anchor)))
    for title in filter(None, (title_of(chart) for chart in charts if chart is not None)):
        document.add(f"**Chart: {title}**")
    for number in filter(None, (element.get(f"{R}embed") for element in root.iter())):
        _, picture = targets.get(number, ("", ""))
        if picture and (data := archive.read(picture)) is not None:
            document.add(add_picture(document, data, ""))


def _comments(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        if element.tag.endswith("}comment"):
            text = "".join(part.text or "" for part in element.iter() if part.tag.endswith("}t"))
            yield f"**Comment at {element.get('ref', '?')}:** {' '.join(text.split())}"
