"""Questions that runs put to people: the list, and one as a form."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from playbooks.operations import answers as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.queries import questions as queries
from playbooks.queries.questions import QuestionView
from playbooks.web.callers import caller_of, person_of
from playbooks.web.forms import Answers
from playbooks.web.refusing import Refusal, refusal_of


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def question(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A POST answers; what is wrong stands at its field, with all that was typed."""
    view = queries.question_view(pk, person_of(request))
    if view is None:
        raise Http404(f"There is no question {pk}.")
    if request.method != "POST":
        return _page(request, view, Answers(view.fields))
    form = Answers(view.fields, request.POST)
    if not form.is_valid():
        return _page(request, view, form, status=HTTPStatus.BAD_REQUEST)
    return _answer(request, view, form)


def _answer(request: HttpRequest, view: QuestionView, form: Answers) -> HttpResponse:
    try:
        operations.answer(view.id, caller=caller_of(request), answers=form.values())
    except Missing as error:
        raise Http404(str(error)) from error
    except Invalid as error:
        form.show_errors(error.errors)
        return _page(request, view, form, status=HTTPStatus.BAD_REQUEST)
    except (Refused, LostRace) as error:
        refusal = refusal_of(request, error)
        now = queries.question_view(view.id, person_of(request)) or view
        return _page(request, now, form, refusal=refusal, status=refusal.status)
    messages.success(request, "Your answer is recorded: the run goes on.")
    return redirect("question", pk=view.id)


def _page(
    request: HttpRequest,
    view: QuestionView,
    form: Answers,
    *,
    refusal: Refusal | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    context = {
        "question": view,
        "form": form,
        "denials": (view.denial,) if view.denial else (),
        "answers": [(each.title, view.answers.get(each.name, "")) for each in view.fields],
        "refusal": refusal,
    }
    return render(request, "question.html", context, status=status)
