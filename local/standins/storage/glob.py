"""`matchGlob`: `*` and `?` within a path segment, `**` across them, `[abc]`, `[!a-z]`, `{one,other}`."""

from __future__ import annotations

import re

from local.standins.storage.errors import invalid


def glob_pattern(glob: str) -> re.Pattern[str]:
    out, at, depth = "", 0, 0
    while at < len(glob):
        character = glob[at]
        if glob.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif glob.startswith("**", at):
            out, at = out + ".*", at + 2
        elif character == "[":
            end = glob.find("]", at + 2)
            if end < 0:
                raise invalid(f"Invalid match glob: {glob}")
            members = glob[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            out += f"[^/{members[1:]}]" if members[0] in "!^" else f"[{members}]"
            at = end + 1
        else:
            if character == "\\" and at + 1 < len(glob):
                at += 1
                out += re.escape(glob[at])
            else:
                depth += {"{": 1, "}": -1}.get(character, 0)
                simple = {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|" if depth else ","}
                out += simple.get(character, re.escape(character))
            at += 1
    try:
        return re.compile(out, re.DOTALL)
    except re.error:
        raise invalid(f"Invalid match glob: {glob}") from None
