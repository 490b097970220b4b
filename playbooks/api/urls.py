"""The addresses below /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from playbooks.api import (
    administration,
    alerts,
    approvals,
    audit,
    cases,
    dry_runs,
    health,
    ingest,
    playbooks,
    runs,
)

VERSION = "playbooks/<slug:slug>/versions/<int:number>/"

urlpatterns: list[URLPattern] = [
    path("health/", health.Health.as_view()),
    path("schema/", health.Schema.as_view()),
    path("alerts/", alerts.Alerts.as_view()),
    path("alerts/<uuid:pk>/", alerts.Alert.as_view()),
    path("ingest/<slug:source>/", ingest.Ingest.as_view()),
    path("cases/", cases.Cases.as_view()),
    path("cases/<uuid:pk>/", cases.Case.as_view()),
    path("cases/<uuid:pk>/close/", cases.Closing.as_view()),
    path("playbooks/", playbooks.Playbooks.as_view()),
    path("playbooks/check/", playbooks.Check.as_view()),
    path("playbooks/schema/", playbooks.Language.as_view()),
    path("playbooks/<slug:slug>/", playbooks.Playbook.as_view()),
    path("playbooks/<slug:slug>/versions/", playbooks.Versions.as_view()),
    path(VERSION, playbooks.Version.as_view()),
    path(f"{VERSION}submit/", playbooks.Submission.as_view()),
    path(f"{VERSION}send-back/", playbooks.Return.as_view()),
    path(f"{VERSION}adapt/", playbooks.Adaptation.as_view()),
    path(f"{VERSION}diff/<int:other>/", playbooks.Diff.as_view()),
    path(f"{VERSION}dry-run/", dry_runs.DryRuns.as_view()),
    path(f"{VERSION}impact/", playbooks.Effects.as_view()),
    path(f"{VERSION}publish/", playbooks.Publication.as_view()),
    path(f"{VERSION}retire/", playbooks.Retirement.as_view()),
    path("runs/", runs.Runs.as_view()),
    path("runs/<uuid:pk>/", runs.Run.as_view()),
    path("runs/<uuid:pk>/cancel/", runs.Cancellation.as_view()),
    path("runs/<uuid:pk>/rollback/", runs.Rollback.as_view()),
    path("runs/<uuid:pk>/pause/", runs.Pause.as_view()),
    path("runs/<uuid:pk>/resume/", runs.Resumption.as_view()),
    path("runs/<uuid:pk>/rerun/", runs.Rerun.as_view()),
    path("runs/<uuid:pk>/steps/", runs.Steps.as_view()),
    path("runs/<uuid:pk>/steps/<str:step>/resolve/", runs.StepResolution.as_view()),
    path("runs/<uuid:pk>/turns/", runs.Turns.as_view()),
    path("approvals/", approvals.Approvals.as_view()),
    path("approvals/<uuid:pk>/", approvals.Approval.as_view()),
    path("approvals/<uuid:pk>/decide/", approvals.Decision.as_view()),
    path("connections/", administration.Connections.as_view()),
    path("sources/", administration.Sources.as_view()),
    path("tokens/", administration.Tokens.as_view()),
    path("audit/entries/", audit.Entries.as_view()),
    path("audit/export/", audit.Export.as_view()),
    path("audit/checkpoint/", audit.Checkpoint.as_view()),
    path("audit/proof/<int:entry>/", audit.InclusionProof.as_view()),
    path("audit/consistency/", audit.ConsistencyProof.as_view()),
    re_path("", health.Nowhere.as_view()),
]
