"""Observables: the addresses, names and hashes that an alert is about, and how they are found in text.

The search is linear in the length of the text: it is cut into words once, and each word is looked at by
patterns that cannot backtrack. Defanged forms (hxxp, [.], (dot), [at]) are understood.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OBSERVABLE_TYPES = (
    "ip",
    "domain",
    "url",
    "hash",
    "email",
    "user",
    "host",
    "process",
    "file",
    "cloud_resource",
)
MAX_VALUE = 2048
MAX_FOUND = 1000

_WORD = re.compile(r"[^\s\"<>`]++")
_PIECE = re.compile(r"[^,;|'=()\[\]{}/\\]++")
_DEFANGED = re.compile(
    r"(?P<dot>[\[({](?:\.|dot)[\])}])|(?P<at>[\[({](?:@|at)[\])}])"
    r"|(?P<colon>\[(?::|://)\])|(?P<scheme>\bhxxp)",
    re.IGNORECASE,
)
_URL = re.compile(r"(?:https?|ftp)://[^\s\"<>`]++", re.IGNORECASE)
_HOST = re.compile(r"[a-z]++://(?:[^/?#@]*+@)?(\[[0-9a-f:.]++\]|[^/?#:\[\]]++)", re.IGNORECASE)
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:-*+[a-z0-9_])*+\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})", re.IGNORECASE)
_MAILBOX = re.compile(r"[a-z0-9.!#$%&*+?^_~-]{1,64}", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)  # MD5, SHA-1, SHA-256
_EDGE = ".,;:!?'*)]}"
# Names of files look like domains; these endings are files far more often.
_FILE_ENDING = re.compile(
    r"bat|bin|cfg|class|conf|css|csv|dat|dll|docm?|docx|elf|exe|gif|gz|html?|ini|jar|jpe?g|js|json|jsp|lnk|log"
    r"|md|msi|pdf|php|png|ps1|py|rar|rb|rtf|sh|sys|tar|tmp|txt|vbs|xls|xlsm|xlsx|xml|ya?ml|zip"
)


@dataclass(frozen=True, slots=True)
class Found:
    """An observable in a text; `start` and `end` are the offsets of the word that holds it."""

    type: str
    value: str
    start: int
    end: int


def extract(text: str) -> tuple[Found, ...]:
    """The observables in `text` in the order in which they stand, at most 1,000."""
    found: dict[tuple[str, str], Found] = {}
    for word in _WORD.finditer(text):
        if len(found) >= MAX_FOUND:
            break
        # An address cannot hide in what is longer; a blob in a log line is cut, not searched.
        for kind, value in _in_word(_refanged(word[0][:MAX_VALUE])):
            found.setdefault((kind, value), Found(kind, value, word.start(), word.end()))
    return tuple(found.values())[:MAX_FOUND]


def normalized(kind: str, value: str) -> str:
    """`value` in the one form under which it is compared. Raises ValueError with a sentence."""
    text = value.strip()
    if not text or len(text) > MAX_VALUE:
        raise ValueError(f"an observable has 1 to {MAX_VALUE} characters")
    if kind == "ip":
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise ValueError(f"{text[:80]!r} is not an IP address") from None
    if kind == "domain":
        return text.rstrip(".").lower()
    return text.lower() if kind in {"hash", "email"} else text


def by_type(observables: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """(type, value) pairs grouped by type, in the order given and each once."""
    grouped: dict[str, dict[str, None]] = {}
    for kind, value in observables:
        grouped.setdefault(kind, {})[value] = None
    return {kind: tuple(values) for kind, values in grouped.items()}


def host_kind(host: str) -> tuple[str, str] | None:
    """("ip", …) or ("domain", …) of the host part of a URL, a certificate or a question; None for neither."""
    return _ip(host.strip("[]")) or _domain(host, may_be_file=True)


def _refanged(word: str) -> str:
    plain = {"dot": ".", "at": "@", "scheme": "http"}
    return _DEFANGED.sub(
        lambda match: plain.get(str(match.lastgroup)) or match[0].strip("[]"),
        word,
    )


def _in_word(word: str) -> Iterator[tuple[str, str]]:
    url = _URL.search(word)
    if url is None:
        yield from _in_pieces(word)
        return
    yield from _in_pieces(word[: url.start()])
    value = url[0].rstrip(_EDGE)
    host = _HOST.match(value)
    observable = host_kind(host[1]) if host else None
    if observable:
        yield "url", value
        yield observable


def _in_pieces(word: str) -> Iterator[tuple[str, str]]:
    for match in _PIECE.finditer(word):
        piece = match[0].strip(_EDGE)
        # What is no IPv6 address may have a label before it or a port behind it.
        for part in [piece] if _ip(piece) else piece.split(":"):
            found = _ip(part) or _hash(part) or _email(part) or _domain(part, may_be_file=False)
            if found:
                yield found


def _ip(text: str) -> tuple[str, str] | None:
    # Two colons at least, so that a time such as 22:30 is not tried as an address.
    if not 3 <= len(text) <= 45 or not (text.count(".") == 3 or text.count(":") >= 2):
        return None
    try:
        return "ip", str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _hash(text: str) -> tuple[str, str] | None:
    return ("hash", text.lower()) if _HASH.fullmatch(text) else None


def _email(text: str) -> tuple[str, str] | None:
    mailbox, at, domain = text.rpartition("@")
    if at and _MAILBOX.fullmatch(mailbox) and _domain(domain, may_be_file=True):
        return "email", text.lower()
    return None


def _domain(text: str, *, may_be_file: bool) -> tuple[str, str] | None:
    name = text.rstrip(".").lower()
    if len(name) > 253 or not _DOMAIN.fullmatch(name) or any(len(label) > 63 for label in name.split(".")):
        return None
    if not may_be_file and _FILE_ENDING.fullmatch(name.rpartition(".")[2]):
        return None
    return "domain", name
