"""What each key of the language means, in one sentence for the author who hovers over it (schema.py)."""

from __future__ import annotations

from collections.abc import Mapping

# By model, then by key; "" is the model itself.
WORDS: Mapping[str, Mapping[str, str]] = {
    "Playbook": {
        "": "A playbook.",
        "playbook": "Its name in addresses, unique in an installation, such as block-attacker.",
        "title": "What people read in lists.",
        "description": "What it is for, and when not to use it.",
        "references": "ATT&CK techniques and mitigations, and D3FEND countermeasures, such as T1566.002.",
        "triggers": "Which alerts start it by themselves.",
        "inputs": "The values that a run is started with.",
        "steps": "What is done. A step follows the one written before it, unless it says what it needs.",
        "outputs": "What a run gives, by name; expressions as ${ … }.",
        "on_failure": "When a step fails: undo what was done (rollback), or leave it (stop).",
    },
    "Trigger": {
        "": "A condition under which an alert starts the playbook.",
        "alert": 'An expression over alert and now, such as alert.source == "suricata".',
    },
    "Input": {
        "": "A typed value that is given by whoever starts the run or answers the question.",
        "type": "The type that a value has to have.",
        "default": "The value when none is given, also as ${ … }. Without it the value has to be given.",
        "title": "What people read beside the field.",
    },
    "SeatEntry": {
        "": "Somebody who holds this role.",
        "role": "The name of a role, such as tier-2.",
    },
    "Retry": {
        "": "Further attempts when the step fails.",
        "times": "How many further attempts at most.",
        "every": "The time before the first of them, such as 5s.",
        "backoff": "How many times longer each next one waits.",
    },
    "Undo": {
        "": "Another way back than the action's own, or the reason why there is none.",
        "do": "The action that takes it back.",
        "none": "Why it is not taken back.",
        "with": "The inputs of that action; the step's own outputs are known.",
        "using": "The connection of that action.",
    },
    "Wait": {
        "": "Until a time has gone by, until a moment, or for an event.",
        "for": "How long, such as 10m.",
        "until": "The moment, as RFC 3339 text or ${ … }.",
        "event": "The name of the event.",
        "key": "Which event of this name is meant, mostly as ${ … }.",
        "within": "How long the event is waited for.",
        "late": "When it did not come in time: the step fails, or goes on with arrived false.",
    },
    "Loop": {
        "": "When it is over: asked after each turn (until) or before it (while).",
        "until": "A condition over the steps inside and turn; it ends when it is true.",
        "while": "A condition over the last turn's steps and turn; it ends when it is false.",
        "most": "How many turns at most. When they were not enough, the step fails.",
        "every": "The time between the turns, such as 30s.",
    },
    "Script": {
        "": "The team's own code, isolated: JSON on standard input, a JSON object on standard output.",
        "python": "The code, in Python.",
        "shell": "The code, in shell.",
    },
    "Step": {
        "": "One step.",
        "id": "Its name in expressions, unique in the playbook: a-z, 0-9 and _.",
        "title": "What people read instead of the id.",
        "needs": "The steps of the same block that have to end before it; [] starts at once.",
        "after": "Which end of them it waits for: success, failure, or either (always).",
        "when": "A condition; when it is false, the step is skipped.",
        "continue_on_failure": "What follows runs even when this step failed.",
        "do": "The action, as connector.action.",
        "with": "The inputs, by name; expressions as ${ … }.",
        "using": "The connection; without it the one that bears the connector's name.",
        "timeout": "How long it may take, such as 30s.",
        "retry": "Further attempts when it fails.",
        "undo": "Another way back than the action's own, or the reason why there is none.",
        "expires": "After this time it is undone by itself, such as 24h.",
        "secret_outputs": "Outputs that are kept sealed, and may only be given to an input marked as secret.",
        "approve": "The question that people decide; ${ … } is filled in.",
        "show": "The steps whose outputs are shown beside the question.",
        "seats": "Who has to approve: one person for each seat.",
        "deny": "How many people have to deny before it counts as denied.",
        "within": "How long it is open.",
        "late": "What happens when nobody answered in time.",
        "ask": "The question that one person answers with a form.",
        "fields": "The fields of the form, like inputs.",
        "who": "Who may answer.",
        "wait": "What it waits for.",
        "run": "The playbook that it runs, in the version in force when this one is published.",
        "detached": "Whether it goes on without waiting for the end of that run.",
        "each": "A list, or ${ … } that gives one; the steps inside run for each item.",
        "at_once": "How many items at the same time.",
        "may_fail": "How many items may fail before the step does.",
        "repeat": "When it is over, and after how many turns at most.",
        "steps": "The steps inside; item (each) and turn (repeat) are known there.",
        "outputs": "What each item, or the last turn, gives; expressions as ${ … }.",
        "set": "Values by name; expressions as ${ … }.",
        "script": "The code.",
    },
    "Kind": {
        "do": "Does an action of a connector.",
        "approve": "A gate: people decide whether what follows may run.",
        "ask": "A question: one person fills in a form.",
        "wait": "Waits for time or an event.",
        "run": "Runs another playbook.",
        "each": "Does the steps inside for each item of a list.",
        "repeat": "Does the steps inside again and again.",
        "set": "Computes values.",
        "script": "Runs the team's own code, isolated.",
    },
}

KIND_EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "do": {"id": "block", "do": "nftables.block_address", "with": {"address": "${ inputs.address }"}},
    "approve": {"id": "gate", "approve": "Block ${ inputs.address }?", "seats": [{"role": "tier-2"}]},
    "ask": {
        "id": "scope",
        "ask": "Which hosts are affected?",
        "fields": {"hosts": {"type": "list"}},
        "who": {"role": "tier-2"},
    },
    "wait": {"id": "pause", "wait": {"for": "10m"}},
    "run": {"id": "contain", "run": "block-at-gateway", "with": {"address": "${ inputs.address }"}},
    "each": {
        "id": "hosts",
        "each": "${ steps.scope.outputs.hosts }",
        "steps": [{"id": "isolate", "do": "edr.isolate_host", "with": {"host": "${ item }"}}],
    },
    "repeat": {
        "id": "watch",
        "repeat": {"until": "steps.memory.outputs.value < 80", "most": 20, "every": "30s"},
        "steps": [{"id": "memory", "do": "metrics.memory", "with": {"host": "${ inputs.host }"}}],
    },
    "set": {"id": "names", "set": {"subject": "${ alert.title }"}},
    "script": {"id": "score", "script": {"python": "print('{}')"}, "with": {"text": "${ alert.title }"}},
}

EXAMPLE: Mapping[str, object] = {
    "playbook": "block-attacker",
    "title": "Block an attacking address",
    "inputs": {"address": {"type": "ip"}},
    "steps": [KIND_EXAMPLES["approve"], KIND_EXAMPLES["do"]],
}
