"""Foreign text in messages to people: one line that can do nothing in a mail reader, a chat, a terminal or a sheet."""

from __future__ import annotations

import re
import unicodedata

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=//)")
_MENTION = re.compile(r"(?<![\w.+-])@")
_ANGLES = str.maketrans({"<": "‹", ">": "›"})  # of HTML, and of what chats make links and mentions of


def one_line(text: str, *, most: int = 300) -> str:
    """`text` as one line of at most `most` characters.

    Control characters and those that hide or turn text are written out, addresses are defanged (`https[:]//`), and a
    beginning that a spreadsheet would compute gets an apostrophe.
    """
    flat = " ".join(text.split())
    line = "".join(_written_out(each) for each in flat).translate(_ANGLES)
    line = _MENTION.sub("(at)", _SCHEME.sub(r"\1[:]", line))
    line = f"'{line}" if line[:1] in {"=", "+", "-"} else line
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _written_out(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return f"\\u{ord(character):04x}"
    return character
