"""The template tag library `countersign`: how values, statuses and times read."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import template

from playbooks.domain.canonical import canonical
from playbooks.domain.deadlines import level_of
from playbooks.domain.statuses import RequestStatus
from playbooks.queries.approvals import SeatView
from playbooks.queries.references import role_title
from playbooks.web.browsers import browser_name

register = template.Library()


@dataclass(frozen=True, slots=True)
class Value:
    name: str
    text: str


@register.filter
def named(values: Mapping[str, object]) -> list[Value]:
    """A mapping as names and texts, to be listed."""
    return [Value(visible(name), as_text(value)) for name, value in values.items()]


@register.filter
def severity_level(severity: int) -> str:
    """low, medium, high or critical."""
    return level_of(severity)


@register.filter
def as_text(value: object) -> str:
    """A JSON value as people read it: text as it is, everything else as JSON."""
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


@register.filter
def visible(text: str) -> str:
    """`text` with invisible and direction-changing characters written out, since people sign what they see."""
    return "".join(_written_out(character) for character in text)


@register.filter
def browser(header: str) -> str:
    """A User-Agent header as people call such a browser."""
    return visible(browser_name(header))


@register.filter
def as_canonical(value: object) -> str:
    """The RFC 8785 form, the very bytes that a digest is over."""
    return canonical(value).decode()


@register.filter
def as_seats(names: Sequence[str]) -> list[str]:
    """Seats by name as people read them: Tier 2, On call: network."""
    return [role_title(each) for each in names]


@register.filter
def filled(seats: Sequence[SeatView]) -> int:
    """How many seats have somebody in them."""
    return sum(seat.filled_by is not None for seat in seats)


@register.filter
def words(status: str) -> str:
    """A status without its underscore. What was passed by break-glass never reads as if somebody had approved it."""
    return "passed by break-glass" if status == RequestStatus.PASSED else status.replace("_", " ")


@register.filter
def of_version(verb: str) -> str:
    """A verb of the log as the status to which it brought a version."""
    return {"version.submitted": "in_review", "version.published": "published"}.get(verb, "draft")


@register.filter
def words_of_version(verb: str) -> str:
    return "sent to review" if verb == "version.submitted" else words(verb.removeprefix("version."))


@register.filter
def took(begin: datetime, end: datetime | None) -> str:
    """How long something took, in at most two units; empty while it goes on."""
    return lasted(end - begin) if end else ""


@register.filter
def lasted(length: timedelta) -> str:
    """A length of time in at most two units."""
    seconds = length.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2])


def _written_out(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Zl", "Zp"}:
        return character
    return f"\\u{ord(character):04x}"


@register.filter
def attack_page(reference: str) -> str:
    """The page of an ATT&CK technique or mitigation; empty for a D3FEND countermeasure, whose pages bear names."""
    kind = {"T": "techniques", "M": "mitigations"}.get(reference[:1])
    return f"https://attack.mitre.org/{kind}/{reference.replace('.', '/')}/" if kind else ""
