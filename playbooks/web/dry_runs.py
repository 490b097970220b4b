"""The page of a dry run: what to walk and what to let happen, and the path drawn on the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from playbooks import access
from playbooks.domain.dry_runs.choices import WORDS
from playbooks.domain.dry_runs.record import PathStep
from playbooks.domain.frames import name_of
from playbooks.domain.kinds import KINDS
from playbooks.domain.problems import Unreadable
from playbooks.domain.strict_json import read_json
from playbooks.models import Principal
from playbooks.operations import dry_runs as operations
from playbooks.operations.dry_runs import About, DryRun, Reads
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.queries import alerts
from playbooks.queries import playbooks as queries
from playbooks.queries.playbooks import VersionView
from playbooks.web.callers import caller_of, person_of
from playbooks.web.drawing import Mark
from playbooks.web.forms import Start
from playbooks.web.graphs import graph_of_document
from playbooks.web.refusing import Refusal, refusal_of

MOST_ALERTS = 20
CHOOSE = "choose_"  # before the id of a step
LONGEST_SAMPLE = 1024 * 1024
ASKS = frozenset({"approve", "ask", "wait"})
_SAID = {
    "approve": "is approved",
    "deny": "is denied",
    "late": "nobody answers in time",
    "arrives": "it arrives",
    "succeed": "succeeds",
    "fail": "fails",
}
_NOTHING_CHOSEN = {"ask": "is answered with the defaults"}
# What the graph shows of a step that ran in several turns.
_FIRST = ("failed", "waiting", "taken", "cancelled", "skipped", "not_reached")
_AS_DRAWN = {"taken": "succeeded"}


SAMPLE = '{"title": "…", "severity": 80, "observables": {"ip": ["192.0.2.1"]}}'
CHOICES = '{"scope": {"hosts": ["a"]}, "lookup": {"verdict": "clean"}, "hosts[1].isolate": "fail"}'


class DryRunForm(Start):
    """What to walk. What stays empty is left to the playbook's own default, and what is not chosen goes well."""

    simulate = None  # type: ignore[assignment]  # Django's way to leave a field of the base out
    key = None  # type: ignore[assignment]
    alert = forms.ChoiceField(required=False, label="Alert")  # type: ignore[assignment]
    sample = forms.CharField(
        required=False,
        max_length=LONGEST_SAMPLE,
        widget=forms.Textarea({"rows": 5, "spellcheck": "false"}),
        label="Or a sample",
        help_text=f"An alert in normal form, as JSON: {SAMPLE}",
    )
    more = forms.CharField(
        required=False,
        max_length=LONGEST_SAMPLE,
        widget=forms.Textarea({"rows": 3, "spellcheck": "false"}),
        label="Answers and outputs",
        help_text=f"By step, or by its place, as JSON: {CHOICES}",
    )
    performs = forms.BooleanField(required=False)

    def __init__(self, version: VersionView, person: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(version.document.get("inputs", {}), *args, **kwargs)
        self.fields["alert"].choices = [("", "None"), *_recent(person)]  # type: ignore[attr-defined]
        self.asked: list[str] = []
        self.acting: list[str] = []
        for step in _steps(version.document["steps"]):
            kind = next(each for each in KINDS if each in step)
            if _has_choice(kind, step):
                self.fields[CHOOSE + step["id"]] = _choice(kind, step)
                (self.asked if kind in ASKS else self.acting).append(CHOOSE + step["id"])

    def about(self) -> About:
        """Raises Invalid for JSON that is none."""
        data = self.cleaned_data
        chosen = {
            name.removeprefix(CHOOSE): word for name, word in data.items() if name.startswith(CHOOSE) and word
        }
        return About(
            alert=UUID(data["alert"]) if data["alert"] else None,
            sample=_object(data["sample"], "sample") if data["sample"] else None,
            inputs=self.values(),
            choose={**chosen, **(_object(data["more"], "choose") if data["more"] else {})},
            reads=Reads.PERFORMED if data["performs"] else Reads.SIMULATED,
        )

    def about_what(self) -> list[forms.BoundField]:
        """The alert or the sample, and the inputs."""
        chosen = {*self.asked, *self.acting, "more", "performs"}
        return [field for field in self if field.name not in chosen]

    def asked_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.asked]

    def acting_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.acting]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def dry_run(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    person = person_of(request)
    version = queries.version_view(slug, number, person)
    if version is None:
        raise Http404(f"There is no version {number} of {slug}.")
    if not operations.MAY & access.permissions_of(person):
        raise PermissionDenied("You may not dry-run playbooks.")
    if request.method != "POST":
        form = DryRunForm(version, person, initial={"alert": request.GET.get("alert", "")})
        return _page(request, version, form)
    form = DryRunForm(version, person, request.POST)
    if not form.is_valid():
        return _page(request, version, form, status=HTTPStatus.BAD_REQUEST)
    return _walk(request, version, form)


def _walk(request: HttpRequest, version: VersionView, form: DryRunForm) -> HttpResponse:
    try:
        told = operations.dry_run(version.playbook, version.number, form.about(), caller=caller_of(request))
    except Missing as error:
        form.add_error(None, str(error))
        return _page(request, version, form, status=HTTPStatus.BAD_REQUEST)
    except Invalid as error:
        form.show_errors(error.errors)
        return _page(request, version, form, status=HTTPStatus.BAD_REQUEST)
    except Refused as error:
        refusal = refusal_of(request, error)
        return _page(request, version, form, refusal=refusal, status=refusal.status)
    return _page(request, version, form, told=told)


def _page(
    request: HttpRequest,
    version: VersionView,
    form: DryRunForm,
    *,
    told: DryRun | None = None,
    refusal: Refusal | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    context = {
        "version": version,
        "form": form,
        "told": told,
        "refusal": refusal,
        "graph": graph_of_document(version.document, _marks(version.document, told.path) if told else {}),
        "may_perform": access.may(person_of(request), "start_run"),
    }
    return render(request, "dry_run.html", context, status=status)


def _marks(document: Mapping[str, Any], path: Sequence[PathStep]) -> dict[str, Mark]:
    """Of every step, also of those in blocks that never had a turn."""
    unseen = {step["id"]: Mark("not_reached", "") for step in _steps(document["steps"])}
    return {**unseen, **dict(_seen(path))}


def _seen(path: Sequence[PathStep]) -> Iterator[tuple[str, Mark]]:
    """Of each step the turn that asks for attention first."""
    turns: dict[str, list[PathStep]] = {}
    for step in _walked(path):
        turns.setdefault(name_of(step.key), []).append(step)
    for name, steps in turns.items():
        shown = min(steps, key=lambda each: _FIRST.index(each.status))
        ways = {each.status for each in steps}
        note = f"{len(steps)} turns" if len(steps) > 1 and len(ways) > 1 else ""
        yield name, Mark(_AS_DRAWN.get(shown.status, shown.status), f"#path-{shown.key}", note)


def _walked(path: Sequence[PathStep]) -> Iterator[PathStep]:
    for step in path:
        yield step
        for turn in step.turns:
            yield from _walked(turn.steps)


def _recent(person: Principal) -> Iterator[tuple[str, str]]:
    for row in alerts.alerts(person).order_by("-received_at")[:MOST_ALERTS]:
        yield str(row.pk), f"{row.title} ({row.received_at:%d %b %H:%M}, severity {row.severity})"


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        yield step
        yield from _steps(step.get("steps", ()))


def _has_choice(kind: str, step: Mapping[str, Any]) -> bool:
    return kind in WORDS and (kind != "wait" or "event" in step["wait"])


def _choice(kind: str, step: Mapping[str, Any]) -> forms.ChoiceField:
    words = WORDS[kind]
    choices = [("", _NOTHING_CHOSEN.get(kind, _SAID[words[0]]))]
    choices += [(word, _SAID[word]) for word in (words if kind in _NOTHING_CHOSEN else words[1:])]
    return forms.ChoiceField(required=False, choices=choices, label=step.get("title") or step["id"])


def _object(text: str, place: str) -> Mapping[str, Any]:
    try:
        value = read_json(text.encode())
    except Unreadable as error:
        raise Invalid(
            [(f"/{place}", f"Line {each.line}: {each.message}.") for each in error.problems]
        ) from None
    if not isinstance(value, dict):
        raise Invalid([(f"/{place}", "This is no JSON object.")])
    return value
