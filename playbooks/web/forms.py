"""Forms whose fields are not known before: one made of a playbook's inputs, and the scope of an export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from django import forms

from playbooks.queries.questions import FieldView

INPUT = "input_"  # before the name of an input, so that none meets a field of the form itself


class Lines(forms.CharField):
    """A list: one value a line."""

    widget = forms.Textarea(attrs={"rows": 4})

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]


class Typed(forms.Form):
    """A form with a field for each of the typed inputs of a playbook or a question."""

    place = ""  # of the fields in what an operation takes

    def values(self) -> dict[str, Any]:
        """What was given, by the names in the playbook."""
        given = {name: value for name, value in self.cleaned_data.items() if name.startswith(INPUT)}
        return {
            name.removeprefix(INPUT): value for name, value in given.items() if value not in (None, "", [])
        }

    def show_errors(self, errors: tuple[tuple[str, str], ...]) -> None:
        """Puts sentences beside the fields that they are about (`/PLACE/NAME`), the others above the form."""
        for pointer, sentence in errors:
            field = INPUT + pointer.removeprefix(f"/{self.place}/")
            self.add_error(field if field in self.fields else None, sentence)


class Start(Typed):
    """Starts a run. What stays empty is left to the playbook's own default."""

    place = "inputs"

    simulate = forms.BooleanField(required=False)
    alert = forms.UUIDField(required=False, widget=forms.HiddenInput)
    # Sent twice, the form starts one run.
    key = forms.CharField(widget=forms.HiddenInput, max_length=64, initial=lambda: uuid4().hex)

    def __init__(self, inputs: Mapping[str, Mapping[str, Any]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, spec in inputs.items():
            self.fields[INPUT + name] = _field(name, spec)
        self.order_fields([INPUT + name for name in inputs])

    def alert_id(self) -> UUID | None:
        alert: UUID | None = self.cleaned_data["alert"]
        return alert


class Answers(Typed):
    """Answers a question, with its defaults filled in. A list that is emptied is an empty list."""

    place = "answers"

    def __init__(self, asked: Sequence[FieldView], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for each in asked:
            spec = {"type": each.type, "title": each.title, "default": each.default}
            field = self.fields[INPUT + each.name] = _field(each.name, spec)
            field.initial = _initial(each)
            if each.default == "" or each.type in {"list", "boolean"}:
                field.help_text = "One a line." if each.type == "list" else ""
            if isinstance(field, forms.TypedChoiceField) and each.default is not None:
                field.choices, field.required = [(True, "Yes"), (False, "No")], True

    def values(self) -> dict[str, Any]:
        lists = {name: value for name, value in self.cleaned_data.items() if value == []}
        return super().values() | {name.removeprefix(INPUT): value for name, value in lists.items()}


def _initial(field: FieldView) -> Any:
    is_list = field.type == "list" and isinstance(field.default, list)
    return "\n".join(map(_default, field.default)) if is_list else field.default


def _field(name: str, spec: Mapping[str, Any]) -> forms.Field:
    default = spec.get("default")
    about: dict[str, Any] = {
        "label": spec.get("title") or name.replace("_", " ").capitalize(),
        "required": default is None,
        "help_text": "" if default is None else f"Left empty: {_default(default)}",
    }
    match spec["type"]:
        case "integer":
            return forms.IntegerField(**about)
        case "number":
            return forms.FloatField(**about)
        case "boolean":
            answers = [
                ("", "As the playbook says" if default is not None else ""),
                (True, "Yes"),
                (False, "No"),
            ]
            return forms.TypedChoiceField(
                choices=answers, coerce=lambda text: text == "True", empty_value=None, **about
            )
        case "list":
            return Lines(**{**about, "help_text": f"One a line. {about['help_text']}".strip()})
        case _:
            return forms.CharField(max_length=2000, **about)


def _default(default: Any) -> str:
    """A constant as it is; of an expression the words, since only the run can compute it."""
    return default if isinstance(default, str) else json.dumps(default)


def _moment() -> forms.DateTimeInput:
    return forms.DateTimeInput({"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")


class Export(forms.Form):
    """What to export: exactly one of a case, a run, a person's doings, or a period."""

    case = forms.UUIDField(
        required=False, label="Case", help_text="The id in the address of the case's page."
    )
    run = forms.UUIDField(required=False, label="Run", help_text="The id in the address of the run's page.")
    person = forms.SlugField(
        required=False, label="Person", help_text="A username: everything that they did."
    )
    since = forms.DateTimeField(required=False, label="From", widget=_moment(), help_text="UTC, included.")
    until = forms.DateTimeField(required=False, label="To", widget=_moment(), help_text="UTC, not included.")
    form = forms.ChoiceField(
        label="As",
        choices=[
            ("bundle", "Evidence bundle: proofs and a verifier (zip)"),
            ("jsonl", "Entries only (JSON Lines)"),
        ],
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        given = {name for name in ("case", "run", "person", "since", "until") if data.get(name)}
        if given not in ({"case"}, {"run"}, {"person"}, {"since", "until"}) and not self.errors:
            raise forms.ValidationError(
                "Say one thing to export: a case, a run, a person, or a period with both ends."
            )
        return data
