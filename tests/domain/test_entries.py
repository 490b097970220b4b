"""The times of entries."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.entries import moment

TIMES = st.datetimes(timezones=st.just(UTC))


@given(TIMES, TIMES)
def test_times_sort_as_texts_and_are_read_back(one: datetime, other: datetime) -> None:
    assert (moment(one) < moment(other)) == (one < other)
    assert datetime.fromisoformat(moment(one)) == one
