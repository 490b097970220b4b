"""Profiles: how far duties are segregated here, from a team down to one person alone. Said on every page and export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

S = TypeVar("S")


class Profile(StrEnum):
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Profile:
        profile = str.__new__(cls, value)
        profile._value_ = value
        profile.meaning = meaning
        return profile

    TEAM = "team", "Quorums are as playbooks and policies ask; whoever asked does not approve."
    PAIR = "pair", "One approval is enough for any quorum; whoever asked does not approve."
    SOLO = "solo", "Duties are not segregated: one person alone confirms what they asked for themselves."


TIME_TO_THINK = timedelta(minutes=1)  # after one person alone has confirmed something, before it begins
COOLING = timedelta(hours=24)  # before a profile takes effect that nobody could confirm


def capped(profile: str, seats: Sequence[S]) -> list[S]:
    """The seats that have to be filled: all of them in a team, otherwise the first alone."""
    return list(seats if profile == Profile.TEAM else seats[:1])
