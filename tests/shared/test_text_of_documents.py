"""No text of a document is lost, or run together, on its way into Markdown."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import pytest
from PIL import Image

from shared.extractor_child import rich_text
from shared.extractor_child.document import Document
from tests.shared.extractor_desk import Desk, open_desk
from tests.shared.made_documents import (
    compound_tree,
    docx,
    epub,
    opendocument,
    paragraph,
    picture_in_word,
    relationships,
    with_parts,
    xlsx,
    zipped,
)

pytestmark = pytest.mark.long

DRAWING = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def test_a_text_box_of_word_stands_apart_from_the_paragraph_that_holds_it(desk: Desk) -> None:
    box = f"<w:pict><w:txbxContent>{paragraph('Call first')}</w:txbxContent></w:pict>"
    body = f"<w:p><w:r><w:t>May 1, 2017</w:t></w:r><w:r>{box}</w:r><w:r><w:t>Using Word</w:t></w:r></w:p>"
    assert desk.take(docx(body), "a.docx").text.split("\n") == ["May 1, 2017", "", "Call first", "", "Using Word"]


def test_the_words_of_a_note_are_whole_however_word_cut_them_into_runs(desk: Desk) -> None:
    noted = '<w:p><w:r><w:t>Sales</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    runs = "<w:p><w:r><w:t>Not</w:t></w:r><w:r><w:t>withstanding</w:t></w:r></w:p>"
    notes: dict[str, bytes | str] = {
        "word/footnotes.xml": f'<w:footnotes><w:footnote w:id="2">{runs}</w:footnote></w:footnotes>'
    }
    assert (
        desk.take(docx(noted, parts=notes, footnotes="footnotes.xml"), "a.docx").text == "Sales [Note: Notwithstanding]"
    )


def test_a_diagram_in_a_word_document_gives_its_words(desk: Desk) -> None:
    shown = (
        '<w:p><w:r><w:drawing><d:relIds xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
        'r:dm="diagramData"/></w:drawing></w:r></w:p>'
    )
    data = f"<d {DRAWING}><a:p><a:r><a:t>Order</a:t></a:r></a:p><a:p><a:r><a:t>Deliver</a:t></a:r></a:p></d>"
    taken = desk.take(docx(shown, parts={"word/diagrams/data1.xml": data}, diagramData="diagrams/data1.xml"), "a.docx")
    assert taken.text.split() == ["Order", "Deliver"]


def test_a_saved_web_page_within_a_word_document_is_read(desk: Desk) -> None:
    page = b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>Parcels leave at <b>nine</b>.</p>"
    body = '<w:altChunk r:id="aFChunk"/>'
    taken = desk.take(docx(body, parts={"word/page.mht": page}, aFChunk="page.mht"), "a.docx")
    assert taken.text == "Parcels leave at **nine**."


def test_text_boxes_and_titles_of_charts_on_a_sheet_are_read(desk: Desk) -> None:
    drawing = f"<d {DRAWING}><anchor><a:p><a:r><a:t>Draft only</a:t></a:r></a:p></anchor></d>"
    title = "<a:p><a:r><a:t>Parcels a day</a:t></a:r></a:p>"
    chart = (
        f'<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" {DRAWING}>'
        f"<c:chart><c:title>{title}</c:title></c:chart></c:chartSpace>"
    )
    book = with_parts(
        xlsx(Sums=[["Name"], ["Zoë"]]),
        {
            "xl/worksheets/_rels/sheet1.xml.rels": relationships(drawing="../drawings/drawing1.xml"),
            "xl/drawings/drawing1.xml": drawing,
            "xl/drawings/_rels/drawing1.xml.rels": relationships(chart="../charts/chart1.xml"),
            "xl/charts/chart1.xml": chart,
        },
    )
    text = desk.take(book, "a.xlsx").text
    assert "| Zoë |" in text
    assert "Draft only" in text
    assert "**Chart: Parcels a day**" in text


def test_a_drawing_that_is_damaged_costs_the_workbook_nothing_but_the_drawing(desk: Desk) -> None:
    book = with_parts(
        xlsx(Sums=[["Name"]]),
        {
            "xl/worksheets/_rels/sheet1.xml.rels": relationships(drawing="../drawings/drawing1.xml"),
            "xl/drawings/drawing1.xml": "<d",
        },
    )
    taken = desk.take(book, "a.xlsx")
    assert "| Name |" in taken.text
    assert "What is drawn on a sheet was left out." in taken.notes


def test_lists_and_comments_in_a_cell_of_a_table_keep_their_words_apart(desk: Desk) -> None:
    items = "".join(f"<text:list-item><text:p>{word}</text:p></text:list-item>" for word in ("one", "two"))
    creator = '<dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/">Zoë</dc:creator>'
    inside = f"<text:list>{items}</text:list><office:annotation>{creator}<text:p>why</text:p></office:annotation>"
    row = f"<table:table-row><table:table-cell>{inside}</table:table-cell></table:table-row>"
    text = desk.take(opendocument("text", f"<table:table>{row}</table:table>"), "a.odt").text
    assert text.startswith("| - one - two (comment: why) |")


def test_an_old_openoffice_document_without_its_type_is_called_so(desk: Desk) -> None:
    content = '<office:document-content xmlns:office="http://openoffice.org/2000/office"/>'
    old = zipped({"content.xml": content, "META-INF/manifest.xml": "<manifest/>"})
    assert "an old OpenOffice document" in desk.refuse(old, "a.sxw").message


def test_notes_comments_text_boxes_and_headers_of_rich_text_are_read(desk: Desk) -> None:
    data = (
        rb"{\rtf1\ansi{\fonttbl{\f0\fcharset238 Arial;}}{\header\pard\f0 Sp\'f3\'b3ka\par}"
        rb"Sales rose{\footnote\pard{\super\chftn} By a third.} in May{\*\annotation Really?}."
        rb"{\shp{\*\shpinst{\shptxt\pard Call first\par}}}\par}"
    )
    text = " ".join(desk.take(data, "a.rtf").text.split())
    assert "Sales rose [Note: By a third.] in May [Comment: Really?]." in text
    assert "[Header: Spółka" in text
    assert "[Text box: Call first" in text


def test_a_note_in_a_header_and_a_text_box_in_a_note_of_rich_text_are_read(desk: Desk) -> None:
    data = rb"{\rtf1\ansi{\header Draft{\footnote of May}}Sales rose{\footnote See {\shp{\shptxt the box}}below}.}"
    text = " ".join(desk.take(data, "a.rtf").text.split())
    assert "[Header: Draft [Note: of May]]" in text
    assert "[Text box: the box]" in text
    assert "Sales rose [Note: See below]." in text


def test_a_header_of_rich_text_without_a_font_table_is_read_in_the_code_page_of_the_document(desk: Desk) -> None:
    data = rb"{\rtf1\ansi\ansicpg1251{\header \'cf\'f0\'e8}\pard Body}"
    assert "[Header: При]" in desk.take(data, "a.rtf").text


def test_a_text_box_of_rich_text_that_does_not_end_leaves_the_header_around_it_readable(desk: Desk) -> None:
    text = desk.take(rb"{\rtf1\ansi Body{\header Draft {\b of {\shptxt Call {\*\unknown first", "a.rtf").text
    assert "[Text box: Call ]" in text
    assert "[Header: Draft of ]" in text


def test_the_fonts_of_rich_text_are_read_no_more_often_for_more_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    text_of = rich_text._text_of

    def noted(data: bytes) -> str:
        read.append(data)
        return text_of(data)

    monkeypatch.setattr(rich_text, "_text_of", noted)
    headers = b"".join(rb"{\header Page %d}" % number for number in range(300))
    document = Document()
    rich_text.extract_rich_text(rb"{\rtf1\ansi{\fonttbl{\f0\fcharset0 Arial;}}" + headers + b"Body}", document)
    assert "[Header: Page 299]" in document.text
    assert sum(data.count(b"fonttbl") for data in read) == 2


def test_binary_data_in_rich_text_does_not_end_it(desk: Desk) -> None:
    data = rb"{\rtf1\ansi Before {\*\objdata \bin7 }}}}}}}} after C:\\bin1 all.}"
    assert desk.take(data, "a.rtf").text.split() == ["Before", "after", "C:\\bin1", "all."]


def test_formulas_of_books_are_read(desk: Desk) -> None:
    page = (
        '<p>Mass <math alttext="E=mc^2"><mi>E</mi></math> and <math><semantics><mi>a</mi><mi>b</mi>'
        "<annotation>a b</annotation></semantics></math> and <math><mi>x</mi><mo>+</mo><mn>1</mn></math>.</p>"
    )
    assert "Mass E=mc^2 and a b and x + 1." in desk.take(epub(page), "a.epub").text


def _properties(bytes_before: int, **numbers: int) -> bytes:
    rows = b"".join(struct.pack("<IIQ", int(tag, 16), 6, number) for tag, number in numbers.items())
    return bytes(bytes_before) + rows


def test_an_outlook_message_names_its_recipients_with_their_addresses(desk: Desk) -> None:
    streams = {"__substg1.0_1000001F": "Hello".encode("utf-16-le"), "__properties_version1.0": bytes(32)}
    for number, (kind, name) in enumerate([(1, "Zoë Tanaka"), (2, "ann@example.com"), (3, "Bo")]):
        streams |= {
            f"__recip_version1.0_#0000000{number}/__properties_version1.0": _properties(8, **{"0C150003": kind}),
            f"__recip_version1.0_#0000000{number}/__substg1.0_3001001F": name.encode("utf-16-le"),
        }
    streams["__recip_version1.0_#00000000/__substg1.0_39FE001F"] = "zoe@example.com".encode("utf-16-le")
    text = desk.take(compound_tree(streams), "a.msg").text
    assert "**To:** Zoë Tanaka <zoe@example.com>" in text
    assert "**Cc:** ann@example.com" in text
    assert "**Bcc:** Bo" in text


@pytest.mark.parametrize(
    ("pages", "entry", "data"),
    [
        ({"3FDE0003": 950}, "__substg1.0_1000001E", "測試".encode("cp950")),
        ({"3FFD0003": 1252, "3FDE0003": 65001}, "__substg1.0_10130102", "<p>測試</p>".encode()),
        ({"3FFD0003": 1252, "3FDE0003": 28592}, "__substg1.0_10130102", b"<p>Sp\xf3\xb3ka</p>"),
    ],
)
def test_an_outlook_message_is_read_in_its_own_code_page(
    desk: Desk, pages: dict[str, int], entry: str, data: bytes
) -> None:
    text = desk.take(compound_tree({"__properties_version1.0": _properties(32, **pages), entry: data}), "a.msg").text
    assert text in ("測試", "Spółka")


def test_a_picture_that_its_decoder_gives_up_on_costs_a_document_nothing_but_the_picture(
    desk: Desk,
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), "red").save(out, "AVIF")
    broken_avif = out.getvalue().replace(b"pitm", b"none")
    shown = paragraph("Hello") + picture_in_word("image", "a chart")
    taken = desk.take(docx(shown, parts={"word/media/a.avif": broken_avif}, image="media/a.avif"), "a.docx")
    assert taken.text == "Hello\n\n[Picture: a chart (left out)]"
