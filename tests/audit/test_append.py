"""Appending: in the transaction of the change, chained, exact, and in as many statements for forty as for one."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playbooks.audit import EntryError, Heads, Stream, append, reading
from playbooks.audit.statements import AT_ONCE
from playbooks.domain.entries import MAX_BODY, parse_body
from playbooks.domain.tree import leaf_hash
from playbooks.domain.verbs import Verb
from playbooks.models.audit import AuditBody, AuditEntry, AuditStream
from tests.audit.making import ANALYST, RUN, entry, write

STATEMENTS = {"postgresql": ["INSERT", "WITH"], "sqlite": ["INSERT", "INSERT", "INSERT", "UPDATE"]}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_entries_of_a_stream_are_numbered_and_chained(db: None) -> None:
    rows = write(entry(), entry()) + write(entry())
    assert [row.stream_seq for row in rows] == [1, 2, 3]
    assert bytes(rows[0].previous) == b""
    assert all(bytes(after.previous) == bytes(before.leaf) for before, after in pairwise(rows))
    stream = AuditStream.objects.get()
    assert (stream.last_seq, bytes(stream.last_leaf)) == (3, bytes(rows[-1].leaf))


def test_the_leaf_is_the_hash_of_the_body_and_the_body_says_what_the_columns_say(db: None) -> None:
    write(entry(alert="a-1"))
    row = AuditEntry.objects.get()
    raw = bytes(row.body.body)
    assert bytes(row.leaf) == leaf_hash(raw)
    body = parse_body(raw)
    assert (body.name, body.actor_id, body.facts) == ("run/r-1#1 (run.started)", ANALYST.id, {"alert": "a-1"})
    assert reading.body_of(row.pk) == body


@pytest.mark.parametrize("count", [1, 2, 40])
def test_an_append_takes_two_or_four_statements_whatever_it_appends(db: None, count: int) -> None:
    entries = [entry(Stream("run", f"r-{number % 7}")) for number in range(count)]
    for _ in ("streams that are new", "streams that are known"):
        with (
            transaction.atomic(),
            CaptureQueriesContext(
                connection,
            ) as captured,
        ):
            append(*entries)
        assert [query["sql"].split()[0] for query in captured] == STATEMENTS[connection.vendor]


def test_a_writer_that_knows_where_the_stream_ends_needs_a_statement_less(db: None) -> None:
    heads = Heads()
    with transaction.atomic():
        append(entry(), heads=heads)
        with CaptureQueriesContext(connection) as captured:
            append(entry(number=1), entry(number=2), heads=heads)
    assert len(captured) == (1 if connection.vendor == "postgresql" else 3)
    assert_chained(3)


def test_a_writer_whose_knowledge_is_out_of_date_writes_at_the_end_all_the_same(db: None) -> None:
    heads = Heads()
    with transaction.atomic():
        append(entry(), heads=heads)
        write(entry(number=1), entry(number=2))
        append(entry(number=3), heads=heads)
        append(entry(number=4), heads=heads)
    assert_chained(5)


def test_what_was_rolled_back_is_no_end_even_where_others_have_written_as_much_since(db: None) -> None:
    """The number alone would not tell: the leaf does."""
    heads = Heads()
    with transaction.atomic():
        append(entry(), heads=heads)
    with suppress(ZeroDivisionError), transaction.atomic():
        append(entry(number=1), heads=heads)
        raise ZeroDivisionError
    write(entry(number=2))
    with transaction.atomic():
        append(entry(number=3), heads=heads)
    assert_chained(3)


def assert_chained(count: int) -> None:
    rows = list(AuditEntry.objects.order_by("id"))
    assert [row.stream_seq for row in rows] == list(range(1, count + 1))
    assert all(bytes(two.previous) == bytes(one.leaf) for one, two in pairwise(rows))
    assert AuditBody.objects.count() == count
    stream = AuditStream.objects.get()
    assert (stream.last_seq, bytes(stream.last_leaf)) == (count, bytes(rows[-1].leaf))


def test_more_entries_than_one_statement_takes_are_chained_all_the_same(db: None) -> None:
    rows = write(*(entry(Stream("run", f"r-{number % 3}")) for number in range(AT_ONCE + 100)))
    for stream in AuditStream.objects.all():
        chain = [row for row in rows if row.stream_id == stream.pk]
        assert [row.stream_seq for row in chain] == list(range(1, stream.last_seq + 1))
        assert bytes(chain[-1].leaf) == bytes(stream.last_leaf)
        assert all(bytes(after.previous) == bytes(before.leaf) for before, after in pairwise(chain))


def test_nothing_is_appended_outside_a_transaction(fresh_database: None) -> None:
    with pytest.raises(RuntimeError, match="inside the transaction"):
        append(entry())


def test_appending_nothing_asks_the_database_nothing(db: None) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert append() == []
    assert len(captured) == 0


def test_when_the_change_is_rolled_back_so_is_its_entry(db: None) -> None:
    with transaction.atomic():
        append(entry())
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()
    assert write(entry())[0].stream_seq == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=4))
def test_any_json_can_be_a_fact_and_is_read_back_strictly(db: None, facts: dict[str, object]) -> None:
    row = write(entry(**{f"fact {name}": value for name, value in facts.items()}))[0]
    assert len(parse_body(bytes(row.body.body)).facts) == len(facts)


def test_numbers_that_json_readers_may_round_stand_as_text(db: None) -> None:
    row = write(entry(threshold=0.1, large=2**53, small=2**53 - 1))[0]
    assert parse_body(bytes(row.body.body)).facts == {
        "threshold": "0.1",
        "large": str(2**53),
        "small": 2**53 - 1,
    }


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "is a datetime"),
        (Decimal(1), "is a Decimal"),
        ({1: 2}, "a name that is not text"),
        ("\ud800", "no Unicode"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(db: None, fact: object, sentence: str) -> None:
    with pytest.raises(EntryError, match=sentence):
        write(entry(wrong=fact))


def test_a_large_fact_is_kept_as_its_digest(db: None) -> None:
    text = "ä" * MAX_BODY
    row = write(entry(large=text, small="kept"))[0]
    raw = bytes(row.body.body)
    facts = parse_body(raw).facts
    assert len(raw) <= MAX_BODY
    assert facts["small"] == "kept"
    assert facts["large"] == {"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": 2 * MAX_BODY}


def test_more_facts_than_fit_are_refused(db: None) -> None:
    with pytest.raises(EntryError, match="more facts than"):
        write(entry(**{f"fact{number}": number for number in range(9000)}))


def test_entries_are_found_by_stream_time_actor_verb_subject_and_outcome(db: None) -> None:
    first, second = write(entry(), entry(Stream("case", "c-1"), Verb.CASE_OPENED))
    assert list(reading.entries(streams=[RUN])) == [first]
    assert list(reading.entries(verb=Verb.CASE_OPENED, actor=ANALYST.id, outcome="done")) == [second]
    assert list(reading.entries(subject="r-1", since=first.occurred_at)) == [first]
    assert list(reading.entries()) == [second, first]
    assert not reading.entries(until=first.occurred_at).exists()


def test_a_case_shows_the_entries_of_its_runs_and_alerts(db: None) -> None:
    case = Stream("case", "c-1")
    write(entry(case, Verb.RUN_ATTACHED, run="r-1"), entry(), entry(Stream("run", "r-2")))
    assert [row.stream_id for row in reading.of_case("c-1")] == [
        row.pk for row in AuditStream.objects.filter(key__in=["r-1", "c-1"]).order_by("-kind")
    ]
    assert AuditBody.objects.count() == 3
