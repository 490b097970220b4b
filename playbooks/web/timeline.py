"""What partials/timeline.html draws."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `status` gives the colour, `url` the details, where there are any."""

    at: datetime
    sentence: str
    status: str
    url: str = ""
