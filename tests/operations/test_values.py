"""The short way of values to the database and back is the way of Django's fields, only shorter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Field, Model
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from uuid6 import uuid7

from playbooks.models import Attempt, Case, Connection, PlaybookVersion, Principal, Run, Step
from playbooks.operations import runs
from playbooks.operations.statements import fetch, key, store
from playbooks.operations.values import to_database
from tests.cast import Cast, publish

STEPS = "playbook: under-test\ntitle: Under test\nsteps:\n  - {id: s1, wait: {for: 1h}}\n"
JSON = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.booleans()))
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=-30))]))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "CharField": st.text(),
    "SlugField": st.text(),
    "TextField": st.text(),
    "PositiveSmallIntegerField": st.integers(0, 2**15 - 1),
    "PositiveIntegerField": st.integers(0, 2**31 - 1),
    "BooleanField": st.booleans(),
    "BinaryField": st.binary(),
    "UUIDField": st.uuids() | st.builds(uuid7),
    "DateTimeField": MOMENTS,
    "JSONField": JSON,
}


def columns() -> Iterator[Field[Any, Any]]:
    for model in apps.get_app_config("playbooks").get_models():
        yield from model._meta.concrete_fields


def comparable(value: object) -> object:
    """Wrappers of drivers that do not compare: of JSON on PostgreSQL, of bytes everywhere."""
    return bytes(value) if isinstance(value, memoryview) else getattr(value, "obj", value)


class ShortAndLong(TestCase):
    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_what_goes_to_the_database_is_what_the_field_would_send(self, data: st.DataObject) -> None:
        for field in columns():
            target = getattr(field, "target_field", field)
            if target.get_internal_type() not in VALUES:
                continue
            value = data.draw(VALUES[target.get_internal_type()])
            sent = comparable(to_database(field)(value))
            assert sent == comparable(field.get_db_prep_save(value, connection))
            assert to_database(field)(None) is None


@pytest.fixture
def started(cast: Cast) -> Run:
    version = publish(cast, STEPS)
    return runs.start(version.playbook.slug, caller=cast.caller("analyst"))


@pytest.mark.parametrize("model", [Run, Step, Case, PlaybookVersion, Principal])
def test_a_row_that_is_fetched_is_the_row_of_the_orm(started: Run, model: type[Model]) -> None:
    for row in model._default_manager.all():
        (fetched,) = fetch(model, "id = %s", [key(model, row.pk)])
        assert plain(fetched) == plain(row)
        assert not fetched._state.adding
        assert [type(value) for value in plain(fetched).values()] == [type(v) for v in plain(row).values()]


def test_a_row_that_was_stored_is_the_row_that_is_read(started: Run) -> None:
    now = datetime.now(UTC)
    link = Connection(
        name="link", connector="fake", settings={"é": [1, None]}, created_at=now, changed_at=now
    )
    attempt = Attempt(
        step=started.steps.get(),
        number=1,
        worker="w",
        idempotency_key="k",
        connection=link,
        parameters={"a": {"b": "ü"}},
        parameters_digest="0" * 64,
        started_at=now,
        lease_until=now,
    )
    for row in (link, attempt):
        store([row])
        assert not row._state.adding
        assert plain(type(row)._default_manager.get(pk=row.pk)) == plain(row)


def plain(row: Model) -> dict[str, object]:
    read = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return {
        name: bytes(v) if isinstance(v, memoryview) else UUID(int=v.int) if isinstance(v, UUID) else v
        for name, v in read.items()
    }
