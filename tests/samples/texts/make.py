"""Makes texts that other formats' signatures, blanks, end marks or encodings made a stumbling block of."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
TEXTS: dict[str, bytes] = {
    "blank-lines-40.md": b"\n" * 40 + b"# A heading\n",
    "indented-60-spaces.txt": b" " * 60 + b"Dear Sir or Madam, an indented letter.\n",
    "python-30-blank.py": b"\n" * 30 + b"print(1)\n\n",
    "comments-40.html": b"<!-- a note -->\n" * 40 + b"<p>Not a page of its own.</p>\n",
    "text-bzh.txt": b"BZh is Breton for Brittany (Breizh).\n",
    "text-caff.txt": b"caffeine intake diary, week one\nMonday: 3 cups\n",
    "text-free.txt": b"The free encyclopedia that anyone can edit. Lorem ipsum dolor.\n",
    "text-free2.txt": b"For free: a list of things that cost nothing.\n",
    "text-skip.txt": b"May skip lunch today, and mdat again.\n",
    "text-ftyp.txt": b"The ftypM4A box comes first in such a file.\n",
    "text-gif.txt": b"GIF89a is the version of 1989.\n",
    "text-id3.txt": b"ID3 tags in our archive\n\nThe archive has many.\n",
    "text-id3.csv": b"ID3,name\n1,Tanaka\n",
    "text-mac.txt": b"MAC address list\n00:11:22:33:44:55 printer\n",
    "text-moov.txt": b"The moov atom is missing, says ffmpeg.\n",
    "text-oggs.txt": b"OggS is how an Ogg page begins.\n",
    "text-flac.txt": b"fLaC is how a FLAC file begins.\n",
    "text-otto.txt": b"OTTO\nA palindrome, and a name.\n",
    "text-midi.txt": b"MThd is how a MIDI score begins.\n",
    "text-au.txt": b".snd files were common on Suns.\n",
    "text-psd.txt": b"8BPS is how a Photoshop image begins.\n",
    "text-dsd.txt": b"DSD is a way of recording; DSD 64 is the usual one.\n",
    "text-woff.txt": b"wOFF and wOF2 are fonts of the web.\n",
    "text-parquet.txt": b"PAR1 stands at both ends of a Parquet table.\n",
    "text-postscript.txt": b"%!PS is the first line of a PostScript document.\n",
    "text-pdfsays.txt": b"%PDF-1.7 is what the first line of such a file says.\nThis is a text about it.\n",
    "text-riff.txt": b"RIFF: a repeated phrase in music, says the glossary.\n",
    "text-riffwave.txt": b"RIFF, a WAVE of them: a repeated phrase, and many.\n",
    "text-form.txt": b"FORM 10-AIFF is what the tax office sends out.\n",
    "text-ustar.txt": b"a" * 257 + b"ustar is the mark of a tar archive.\n",
    "text-ggg.txt": (b"G" + b"a" * 187) * 4 + b"\n",
    "text-svgtext.txt": b"<svg> is the element of drawings, says this text.\n",
    "text-rtftext.txt": b"{\\rtf is how a rich text begins.\n",
    "text-nul-end.txt": b"A normal text that ends in a NUL.\n\0",
    "text-utf8-ctrlz.txt": "Grüße\r\n".encode() + b"\x1a",
    "text-cpm-block.txt": b"Filled up to a block of CP/M.\r\n".ljust(128, b"\x1a"),
    "text-few-controls.txt": b"A bell\x07 rings, and a \x01 comes from the modem; still it is a text to be read.\n",
    "text-latin-ctrlz.txt": "Größe und Maß\r\n".encode("latin-1") + b"\x1a",
    "text-shift-in.txt": "日本語の文書です。\n".encode("iso2022_jp") * 3,
    "text-utf8-then-latin.txt": "Größe und Maß in UTF-8, ".encode() * 30 + "und Größe.\n".encode("latin-1"),
}

if __name__ == "__main__":
    for name, data in TEXTS.items():
        (HERE / name).write_bytes(data)
