"""Makes the ugly samples and expected.json, which says what should become of each: `python -m tests.samples.ugly.make`.

Run tests/samples/make.sh first for the few that need an encoder: this script cuts some of them up. Only the workbook
(its date) and the encrypted PDFs (their keys) differ between two runs.
"""

from __future__ import annotations

import json

from tests.samples.ugly_parts.documents import documents
from tests.samples.ugly_parts.listing import HERE, expected
from tests.samples.ugly_parts.sights import films, pictures
from tests.samples.ugly_parts.sound import joined_and_live, recordings, wavs
from tests.samples.ugly_parts.strangers import strangers
from tests.samples.ugly_parts.texts import texts

if __name__ == "__main__":
    for make in (wavs, recordings, joined_and_live, pictures, films, documents, texts, strangers):
        make()
    (HERE / "expected.json").write_text(json.dumps(dict(sorted(expected.items())), indent=1) + "\n")
    unlisted = {path.name for path in HERE.iterdir()} - expected.keys() - {"make.py", "expected.json"}
    if unlisted:
        raise SystemExit(f"not listed: {sorted(unlisted)}")
