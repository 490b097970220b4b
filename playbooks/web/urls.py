"""Every page."""

from __future__ import annotations

from django.urls import path

from playbooks.web import (
    alerts,
    approvals,
    audit,
    cases,
    cheating,
    comparing,
    demo,
    dry_runs,
    holds,
    inbox,
    playbooks,
    questions,
    rollbacks,
    runs,
    starting,
)

urlpatterns = [
    path("", inbox.inbox, name="inbox"),
    path("approvals/<uuid:pk>/", approvals.approval, name="approval"),
    path("approvals/<uuid:pk>/decide", approvals.decide, name="decide"),
    path("questions/<uuid:pk>/", questions.question, name="question"),
    path("operations/holds/", holds.holds, name="holds"),
    path("operations/holds/<uuid:pk>/release", holds.release, name="hold-release"),
    path("operations/expiries/", holds.expiries, name="expiries"),
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/<uuid:pk>/", alerts.alert, name="alert"),
    path("cases/", cases.cases, name="cases"),
    path("cases/<uuid:pk>/", cases.case, name="case"),
    path("runs/", runs.runs, name="runs"),
    path("runs/<uuid:pk>/", runs.run, name="run"),
    path("runs/<uuid:pk>/live", runs.run_live, name="run-live"),
    path("runs/compare/", comparing.compare, name="run-compare"),
    path("runs/<uuid:pk>/cancel", runs.cancel, name="run-cancel"),
    path("runs/<uuid:pk>/pause", runs.pause, name="run-pause"),
    path("runs/<uuid:pk>/resume", runs.resume, name="run-resume"),
    path("runs/<uuid:pk>/again", runs.run_again, name="run-again"),
    path("runs/<uuid:pk>/rollback/", rollbacks.rollback, name="run-rollback"),
    path("runs/<uuid:pk>/steps/<str:step>/resolve", runs.resolve_step, name="resolve-step"),
    path("playbooks/", playbooks.playbooks, name="playbooks"),
    path("playbooks/<slug:slug>/", playbooks.playbook, name="playbook"),
    path("playbooks/<slug:slug>/versions/<int:number>/", playbooks.playbook, name="playbook-version"),
    path("playbooks/<slug:slug>/versions/<int:number>/dry-run/", dry_runs.dry_run, name="playbook-dry-run"),
    path("playbooks/<slug:slug>/start/", starting.start_run, name="start-run"),
    path("new-playbook/", playbooks.new_playbook, name="new-playbook"),
    path("check-playbook/", playbooks.check_playbook, name="check-playbook"),
    path("audit/", audit.audit, name="audit"),
    path("audit/<int:pk>/", audit.entry, name="audit-entry"),
    path("audit/export/", audit.export, name="audit-export"),
    path("demo/become", demo.become, name="become"),
    path("demo/cheat/", cheating.cheat, name="cheat"),
]
