"""Entries as the operations would write them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from playbooks.audit import Actor, Entry, Stream, Subject, append
from playbooks.domain.verbs import Verb
from playbooks.models.audit import AuditEntry

ANALYST = Actor("p-analyst", "Ana Lyst")
RUN = Stream("run", "r-1")


def entry(stream: Stream = RUN, verb: Verb = Verb.RUN_STARTED, actor: Actor = ANALYST, **facts: Any) -> Entry:
    subject = Subject(stream.kind, stream.key, f"{stream.kind} {stream.key}")
    return Entry(
        stream=stream, verb=verb, actor=actor, subject=subject, facts=facts, occurred_at=timezone.now()
    )


def write(*entries: Entry) -> list[AuditEntry]:
    with transaction.atomic():
        return list(AuditEntry.objects.filter(pk__in=append(*entries)).order_by("id"))
