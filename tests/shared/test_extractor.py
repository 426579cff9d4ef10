"""Documents are taken apart into Markdown and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image as SheetImage
from PIL import Image

from shared.domain.media import InMemory, MediaType, identify
from shared.examiner import Examiner
from tests.shared.examiner_bench import Counted
from tests.shared.extractor_desk import Desk, open_desk
from tests.shared.made_documents import (
    PICTURE,
    docx,
    epub,
    opendocument,
    paragraph,
    picture_in_word,
    pptx,
    relationships,
    shape,
    xlsx,
)

pytestmark = pytest.mark.long

UGLY = Path(__file__).parents[1] / "samples" / "ugly"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def test_a_word_document_gives_headings_lists_tables_notes_comments_and_pictures(desk: Desk) -> None:
    noted = (
        '<w:p><w:r><w:t>Sales rose</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r>'
        "<w:del><w:r><w:delText>never</w:delText></w:r></w:del><w:ins><w:r><w:t> much</w:t></w:r></w:ins>"
        '<w:r><w:commentReference w:id="0"/></w:r></w:p>'
    )
    item = (
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>'
    )
    table = "<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>".format(
        *(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("Name", "Sum", "A|B", "7"))
    )
    formula = "<w:p><m:oMath><m:r><m:t>E=mc²</m:t></m:r></m:oMath></w:p>"
    taken = desk.take(
        docx(
            paragraph("Report", "Kop1") + noted + item.format("one") + item.format("two") + table + formula
            + picture_in_word("image", "a chart"),
            styles="styles.xml", numbering="numbering.xml", footnotes="footnotes.xml", comments="comments.xml",
            image="media/a.png", header="header.xml",
            parts={
                "word/styles.xml": '<w:styles><w:style w:styleId="Kop1"><w:name w:val="heading 1"/></w:style>'
                "</w:styles>",
                "word/numbering.xml": (
                    '<w:numbering><w:abstractNum w:abstractNumId="3"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
                    '<w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum>'
                    '<w:num w:numId="1"><w:abstractNumId w:val="3"/></w:num></w:numbering>'
                ),
                "word/footnotes.xml": '<w:footnotes><w:footnote w:id="2"><w:p><w:r><w:t>by 7 %</w:t></w:r></w:p>'
                "</w:footnote></w:footnotes>",
                "word/comments.xml": '<w:comments><w:comment w:id="0"><w:p><w:r><w:t>sure?</w:t></w:r></w:p>'
                "</w:comment></w:comments>",
                "word/header.xml": f"<w:hdr>{paragraph('Confidential')}</w:hdr>",
                "word/media/a.png": PICTURE,
            },
        ),
        "a.docx",
    )  # fmt: skip
    assert taken.text == (
        "[Header: Confidential]\n\n# Report\n\nSales rose [Note: by 7 %] much [Comment: sure?]\n\n1. one\n\n2. two\n\n"
        "| Name | Sum |\n| --- | --- |\n| A\\|B | 7 |\n\nE=mc²\n\n[Picture 1: a chart]"
    )
    assert taken.files == ["image/png"]
    assert taken.sizes == [(640, 480)]
    assert taken.notes == ""


def test_a_presentation_gives_slides_tables_charts_speakers_notes_and_pictures(desk: Desk) -> None:
    cells = "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>" for text in "xy")
    table = f"<p:graphicFrame><a:graphic><a:tbl><a:tr>{cells}</a:tr></a:tbl></a:graphic></p:graphicFrame>"
    chart = '<p:graphicFrame><a:graphic><c:chart r:id="chart"/></a:graphic></p:graphicFrame>'
    picture = (
        '<p:pic><p:nvPicPr><p:cNvPr id="1" name="p" descr="the map"/></p:nvPicPr><a:blip r:embed="image"/></p:pic>'
    )
    series = (
        "<c:ser><c:tx><c:v>Sales</c:v></c:tx><c:cat><c:v>Q1</c:v><c:v>Q2</c:v></c:cat>"
        "<c:val><c:v>1.5</c:v><c:v>2</c:v></c:val></c:ser>"
    )
    taken = desk.take(
        pptx(
            shape("Plan", "title") + shape("first\nsecond") + shape("7", "sldNum") + f"<p:grpSp>{picture}</p:grpSp>",
            shape("Numbers", "ctrTitle") + table + chart,
            parts={
                "ppt/slides/_rels/slide1.xml.rels": relationships(notesSlide="../notes/n.xml", image="../media/a.png"),
                "ppt/slides/_rels/slide2.xml.rels": relationships(chart="../charts/c.xml"),
                "ppt/notes/n.xml": f"<p:notes><p:cSld>{shape('Say hello')}</p:cSld></p:notes>",
                "ppt/media/a.png": PICTURE,
                "ppt/charts/c.xml": f"<c:chartSpace><c:chart>{series}</c:chart></c:chartSpace>",
            },
        ),
        "a.pptx",
    )
    assert taken.text == (
        "## Slide 1: Plan\n\nfirst\nsecond\n\n[Picture 1: the map]\n\n**Notes:**\n\nSay hello\n\n"
        "## Slide 2: Numbers\n\n| x | y |\n| --- | --- |\n\n**Chart**\n\n"
        "|  | Sales |\n| --- | --- |\n| Q1 | 1.5 |\n| Q2 | 2 |"
    )
    assert taken.files == ["image/png"]


def test_a_workbook_gives_every_sheet_row_comment_and_picture(desk: Desk) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Sums"
    for row in (["Name", "Sum"], ["Tanaka", 1234.5], [None, None], ["a|b\nc", True]):
        sheet.append(row)
    sheet["B2"].comment = Comment("check this", "me")
    sheet.add_image(SheetImage(io.BytesIO(PICTURE)), "E5")
    hidden = book.create_sheet("Old")
    hidden.sheet_state = "hidden"
    hidden.append([1, 2])
    out = io.BytesIO()
    book.save(out)
    taken = desk.take(out.getvalue(), "a.xlsx")
    assert taken.text == (
        "## Sheet: Sums\n\n| Name | Sum |\n| --- | --- |\n| Tanaka | 1234.5 |\n| a\\|b c | TRUE |\n\n"
        "[Picture 1]\n\n**Comment at B2:** check this\n\n## Sheet: Old (hidden)\n\n| 1 | 2 |\n| --- | --- |"
    ) or taken.text == (
        "## Sheet: Sums\n\n| Name | Sum |\n| --- | --- |\n| Tanaka | 1234.5 |\n| a\\|b c | TRUE |\n\n"
        "**Comment at B2:** check this\n\n[Picture 1]\n\n## Sheet: Old (hidden)\n\n| 1 | 2 |\n| --- | --- |"
    )
    assert taken.files == ["image/png"]


def test_no_row_of_a_long_sheet_is_lost(desk: Desk) -> None:
    taken = desk.take(xlsx(Long=[["number"], *[[number] for number in range(3000)]]), "a.xlsx")
    assert taken.text.splitlines()[4:] == [f"| {number} |" for number in range(3000)]


def test_an_opendocument_text_gives_headings_lists_notes_tables_and_pictures(desk: Desk) -> None:
    content = (
        '<text:h text:outline-level="2">Plan</text:h><text:p>We<text:s text:c="2"/>go<text:note><text:note-body>'
        "<text:p>by train</text:p></text:note-body></text:note>.<office:annotation><text:p>when?</text:p>"
        "</office:annotation></text:p><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>deep</text:p>"
        "</text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
        '<text:p><draw:frame draw:name="map"><draw:image xlink:href="Pictures/a.png"/></draw:frame></text:p>'
    )
    taken = desk.take(opendocument("text", content, parts={"Pictures/a.png": PICTURE}), "a.odt")
    assert taken.text == (
        "## Plan\n\nWe  go [Note: by train]. [Comment: when?]\n\n- one\n  - deep\n\n| a | b |\n| --- | --- |\n\n"
        "[Picture 1: map]"
    )
    assert taken.files == ["image/png"]


def test_an_opendocument_sheet_gives_repeated_cells_but_not_the_empty_rest(desk: Desk) -> None:
    content = (
        '<table:table table:name="Sums"><table:table-row><table:table-cell table:number-columns-repeated="2">'
        '<text:p>x</text:p></table:table-cell><table:table-cell table:number-columns-repeated="16000"/>'
        '</table:table-row><table:table-row><table:table-cell office:value="7"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row></table:table>'
    )
    taken = desk.take(opendocument("spreadsheet", content), "a.ods")
    assert taken.text == "## Sheet: Sums\n\n| x | x |\n| --- | --- |\n| 7 |"


def test_an_opendocument_presentation_gives_slides_and_notes(desk: Desk) -> None:
    content = (
        '<draw:page draw:name="Start"><draw:frame><draw:text-box><text:p>Hello</text:p></draw:text-box></draw:frame>'
        "<presentation:notes><text:p>smile</text:p></presentation:notes></draw:page>"
    )
    taken = desk.take(opendocument("presentation", content), "a.odp")
    assert taken.text == "## Slide 1: Start\n\nHello\n\n**Notes:**\n\nsmile"


def test_a_book_gives_its_chapters_in_reading_order(desk: Desk) -> None:
    chapters = ("<h1>One</h1><p>It <em>was</em> night.</p><img src='i/a.png' alt='moon'/>", "<h1>Two</h1><p>Day.</p>")
    taken = desk.take(epub(*chapters, title="Nights", parts={"OEBPS/i/a.png": PICTURE}), "a.epub")
    assert taken.text == "# Nights\n\n# One\n\nIt *was* night.\n\n[Picture 1: moon]\n\n# Two\n\nDay."
    assert taken.files == ["image/png"]


def test_rich_text_gives_its_words_and_pictures(desk: Desk) -> None:
    pict = b"{\\pict\\pngblip\\picw640\\pich480 " + PICTURE.hex().encode() + b"}"
    taken = desk.take(b"{\\rtf1\\ansi\\ansicpg1252 Dear \\'c4gypten\\par bye" + pict + b"\\par}", "a.rtf")
    assert "Dear Ägypten\nbye" in taken.text
    assert "89504" not in taken.text
    assert taken.files == ["image/png"]


def mail(html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Ms Tanaka <tanaka@example.org>", "sales@example.org"
    message["Subject"], message["Date"] = "Grüße", "Thu, 26 Nov 2026 10:00:00 +0000"
    message.set_content(html, subtype="html") if html else message.set_content("The parcel left.\n")
    return message


def test_a_mail_gives_its_header_text_and_attachments(desk: Desk) -> None:
    message = mail()
    message.add_attachment(PICTURE, maintype="image", subtype="png", filename="map.png")
    message.add_attachment("a;b\n1;2\n", filename="sums.csv", subtype="csv")
    letter = docx(paragraph("Inside the letter"))
    message.add_attachment(letter, maintype="application", subtype="octet-stream", filename="letter.docx")
    report = (UGLY.parent / "report.pdf").read_bytes()
    message.add_attachment(report, maintype="application", subtype="pdf", filename="report.pdf")
    message.add_attachment(b"PK\3\4" + bytes(80), maintype="application", subtype="zip", filename="all.zip")
    message.add_attachment(mail("<p>the <b>first</b> mail</p>"))
    taken = desk.take(message.as_bytes(), "a.eml")
    assert taken.text.startswith("**From:** Ms Tanaka <tanaka@example.org>\n**To:** sales@example.org\n")
    for words in (
        "**Subject:** Grüße", "The parcel left.", "[Picture 1: map.png]", "a;b\n1;2", "Inside the letter",
        "### Attachment: report.pdf\n\n[Attached file 2: report.pdf]", "### Attached e-mail", "the **first** mail",
    ):  # fmt: skip
        assert words in taken.text
    assert taken.files == ["image/png", "application/pdf"]
    assert "all.zip was left out" in taken.notes


def test_a_mail_in_html_shows_its_pictures_where_they_stand(desk: Desk) -> None:
    message = mail("<p>See <img src='cid:one' alt='map'> here<script>evil()</script></p>")
    message.add_related(PICTURE, "image", "png", cid="<one>")
    taken = desk.take(message.as_bytes(), "a.eml")
    assert "See [Picture 1: map] here" in taken.text
    assert "evil" not in taken.text


def test_a_text_that_is_no_mail_stays_a_text() -> None:
    kind = identify(InMemory(b"just a note, called a mail\n"), "a.eml")
    assert isinstance(kind, MediaType)
    assert kind.mime == "text/plain"


@pytest.mark.parametrize("name", ["picture.bmp", "picture.gif", "picture.tiff", "picture.avif", "picture.ico"])
def test_a_picture_of_another_format_is_drawn_as_png_or_jpeg(desk: Desk, name: str) -> None:
    taken = desk.take((UGLY / name).read_bytes(), name)
    assert taken.text == ""
    assert taken.files == ["image/png"]
    assert taken.sizes == [(16, 12) if name.endswith("ico") else (64, 48)]


def test_every_page_of_a_tiff_is_sent(desk: Desk) -> None:
    pages = [Image.effect_noise((40, 30), sigma).convert("RGB") for sigma in (10, 40, 90)]
    out = io.BytesIO()
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    assert desk.take(out.getvalue(), "scan.tif").sizes == [(40, 30)] * 3


@pytest.mark.parametrize("mode", ["I;16B", "1", "L", "P", "RGBA", "CMYK", "I;16", "F"])
def test_a_tiff_of_any_colours_is_drawn(desk: Desk, mode: str) -> None:
    image = Image.linear_gradient("L")
    image = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    out = io.BytesIO()
    image.save(out, "TIFF")
    assert desk.take(out.getvalue(), "a.tif").sizes == [(256, 256)]


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("shift_jis", "名前,金額\n田中,千二百\n小包は火曜日に出発しました。\n" * 4),
        ("cp1251", "Имя;Сумма\nТанака;тысяча\nПосылка отправлена во вторник утром.\n" * 4),
        ("gb18030", "姓名,金额\n田中,一千\n包裹星期二已经发出,请确认收到。\n" * 4),
        ("euc_kr", "이름,금액\n다나카,천\n소포는 화요일에 출발했습니다.\n" * 4),
    ],
)
def test_a_table_in_an_old_encoding_is_read(desk: Desk, codec: str, words: str) -> None:
    data = words.encode(codec)
    kind = identify(InMemory(data), "a.csv")
    assert isinstance(kind, MediaType)
    facts = desk.runner.run(Examiner(desk.sandbox).examine(Counted(data), kind))
    assert facts.problem is None
    assert facts.media_type.encoding is not None
    assert data.decode(facts.media_type.encoding) == words
