"""What tools put down for themselves is no file that anybody dropped; what is merely named a little like it is."""

from __future__ import annotations

import time

import pytest

from shared.domain.media.ignored_objects import reason_to_ignore
from shared.domain.recipe.globs import glob_pattern


@pytest.mark.parametrize(
    "name",
    [
        "gcloud/tmp/parallel_composite_uploads/see_gcloud_storage_cp_help_for_details/16cd_talk.mp3_2",
        "gsutil/tmp/parallel_composite_uploads/for_details_see/gsutil_help_cp/8a1b_0",
        "/gsutil/tmp/parallel_composite_uploads/for_details_see/gsutil_help_cp/8a1b_0",
    ],
)
def test_parts_of_a_parallel_upload_are_ignored(name: str) -> None:
    assert "part of a parallel upload" in (reason_to_ignore(name) or "")


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store", "in/.DS_Store", "in/._talk.mp3", "Thumbs.db", "a/THUMBS.DB", "desktop.ini", "in/~$letter.docx",
        "folder/.gitkeep", "film.mp4.crdownload", "film.mp4.part", "x/talk.mp3_.gstmp", "__MACOSX/in/talk.mp3",
        "photos/@eaDir/one.jpg/SYNOPHOTO_THUMB_M.jpg", "in/.~lock.letter.odt#", "a/.syncthing.talk.mp3.tmp",
    ],
)  # fmt: skip
def test_junk_of_sync_tools_is_ignored_wherever_it_lies(name: str) -> None:
    assert reason_to_ignore(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "talk.mp3", "in/DS_Store.txt", "thumbs.db.txt", "part.mp3", "my.part.mp3", "~notes.txt", "$letter.docx",
        "in/gcloud/tmp/parallel_composite_uploads/one.mp3", "gcloud/tmp/talk.mp3", "desktop.ini/talk.mp3", ".hidden.md",
        "report_.gstmp.pdf", "keep", "MACOSX/talk.mp3",
    ],
)  # fmt: skip
def test_names_that_only_look_a_little_like_junk_are_files(name: str) -> None:
    assert reason_to_ignore(name) is None


def test_an_operators_patterns_are_for_the_last_part_or_with_a_slash_for_the_whole_name() -> None:
    patterns = ("*.bak", "drafts/**")
    assert reason_to_ignore("deep/in/a.bak", patterns) == "the inbox ignores *.bak"
    assert reason_to_ignore("drafts/x/y.md", patterns) == "the inbox ignores drafts/**"
    assert reason_to_ignore("in/drafts/y.md", patterns) is None
    assert reason_to_ignore("a.bak.md", patterns) is None


@pytest.mark.parametrize("glob", ["*a" * 40 + "*b", "**/" * 20 + "b", "**a" * 30 + "b", "[!b]*" * 40 + "b"])
@pytest.mark.parametrize("name", ["a" * 1024, "a/" * 512])
def test_a_glob_of_many_stars_takes_no_power_of_a_names_length(glob: str, name: str) -> None:
    began = time.process_time()
    assert not glob_pattern(glob).fullmatch(name)
    assert time.process_time() - began < 1
