"""The verbs of the audit log, `subject.past_tense`, each with what it says happened."""

from __future__ import annotations

from enum import StrEnum


class Verb(StrEnum):
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Verb:
        verb = str.__new__(cls, value)
        verb._value_ = value
        verb.meaning = meaning
        return verb

    ALERT_ACCEPTED = "alert.accepted", "An alert arrived from a source and was stored."
    ALERT_REPEATED = "alert.repeated", "A source sent an alert again that was already stored."
    ALERT_ATTACHED = "alert.attached", "An alert became part of a case."
    ALERT_TRIAGED = "alert.triaged", "Somebody judged an alert."

    CASE_OPENED = "case.opened", "A case was opened."
    CASE_CLOSED = "case.closed", "A case was closed."
    CASE_RESTRICTED = "case.restricted", "From here on only those who are named on a case see it."
    CASE_RELEASED = "case.released", "A case is no longer restricted to those who are named on it."
    CASE_SUBJECT_NAMED = "case.subject_named", "A case is about somebody, who does not see it any more."
    CASE_SUBJECT_CLEARED = "case.subject_cleared", "A case is no longer about somebody."

    RUN_ATTACHED = "run.attached", "A run became part of a case."
    RUN_STARTED = "run.started", "A run of a playbook version began."
    RUN_ENDED = "run.ended", "A run came to its end."
    RUN_CANCEL_REQUESTED = "run.cancel_requested", "Somebody asked for a run to stop."
    RUN_PAUSED = "run.paused", "Somebody paused a run."
    RUN_RESUMED = "run.resumed", "Somebody resumed a run."
    RUN_CANCELLED = "run.cancelled", "A run stopped before its end."

    ROLLBACK_STARTED = "rollback.started", "Undoing a run began."
    ROLLBACK_ENDED = "rollback.ended", "Undoing a run came to its end."

    STEP_CLAIMED = "step.claimed", "A worker is about to perform a step: the intent, before the effect."
    STEP_SUCCEEDED = "step.succeeded", "A step did what it should."
    STEP_FAILED = "step.failed", "A step failed."
    STEP_LOST = "step.lost", "The answer to an attempt was lost."
    STEP_UNKNOWN = "step.unknown", "Nobody knows whether a step happened; a person has to say."
    STEP_RESOLVED = "step.resolved", "A person said what became of a step."
    STEP_ADOPTED = "step.adopted", "A re-run took over what a step of the run before had done."
    STEP_SKIPPED = "step.skipped", "A step was not needed."
    STEP_RETRIED = "step.retried", "A step is tried again."
    STEP_STOPPING = "step.stopping", "What a step waits for was asked to stop."
    STEP_PENDING = "step.pending", "A job of the far side goes on after the call that started it."
    STEP_UNDONE = "step.undone", "What a step did was undone."

    REQUEST_OPENED = "request.opened", "An approval was asked for."
    REQUEST_GRANTED = "request.granted", "The last seat of a quorum was filled."
    REQUEST_DENIED = "request.denied", "Somebody denied what was asked for."
    REQUEST_REMINDED = "request.reminded", "A request is due soon, and those who may decide it were reminded."
    REQUEST_ESCALATED = "request.escalated", "A request was late and went on to others."
    REQUEST_PASSED = "request.passed", "Somebody ran past a gate by break-glass; nobody approved."
    REQUEST_EXPIRED = "request.expired", "A request was not decided in time."
    REQUEST_VOIDED = "request.voided", "What would run has changed, so a request holds no more."
    REQUEST_STRUCK = "request.struck", "Somebody who decides left single items out of a request."
    REQUEST_WITHDRAWN = "request.withdrawn", "A request was taken back."
    REQUEST_ASKED_AGAIN = "request.asked_again", "What was denied is asked once more, with new evidence."
    REQUEST_CONSUMED = "request.consumed", "A step was performed under an approval."

    QUESTION_OPENED = "question.opened", "A run asked people something."
    QUESTION_ANSWERED = "question.answered", "A person answered a question of a run."
    QUESTION_CLOSED = "question.closed", "A question was late, or was taken back."

    EVENT_POSTED = "event.posted", "Something that runs may wait for was reported."

    EXPIRY_SCHEDULED = "expiry.scheduled", "A change is to be taken back at a time."
    EXPIRY_RELEASED = "expiry.released", "The time of a change came; others hold the same target still."
    EXPIRY_DUE = "expiry.due", "The time of a change came, and a run takes it back."

    EXPIRY_RETRIED = "expiry.retried", "What a change did could not be taken back; it is tried again later."
    EXPIRY_DROPPED = "expiry.dropped", "What was to be taken back was countersigned, and stays."
    EXPIRY_ENDED = "expiry.ended", "The time of a change came, and nothing was left to take back."

    DECISION_MADE = "decision.made", "A person approved or denied a request."
    DECISION_WITHDRAWN = "decision.withdrawn", "A person took their decision back while the request was open."
    DECISION_REFUSED = "decision.refused", "A duty rule forbade somebody to decide."
    BREAK_GLASS_REFUSED = "break_glass.refused", "A rule forbade somebody to run past a gate."
    BREAK_GLASS_REVIEWED = "break_glass.reviewed", "Somebody without a hand in it reviewed a break-glass."
    RECEIPT_OWED = "receipt.owed", "Something may be destroyed before its evidence is signed, by break-glass."
    RECEIPT_SETTLED = "receipt.settled", "The evidence that was owed is in a signed checkpoint."
    ACTION_REFUSED = "action.refused", "A rule forbade something that somebody tried."

    VERSION_DRAFTED = "version.drafted", "A version of a playbook was written."
    VERSION_SUBMITTED = "version.submitted", "A version was sent to review."
    VERSION_SENT_BACK = "version.sent_back", "A version in review went back to its author, with the reason."
    VERSION_PUBLISHED = "version.published", "A second person put a version into force."
    VERSION_RETIRED = "version.retired", "A version was taken out of force."

    POLICY_DRAFTED = "policy.drafted", "A version of a policy was written."
    POLICY_SUBMITTED = "policy.submitted", "A version of a policy was sent to review."
    POLICY_SENT_BACK = "policy.sent_back", "A version of a policy went back to its author, with the reason."
    POLICY_SECONDED = (
        "policy.seconded",
        "Somebody agreed to what lets things run beforehand, which takes two.",
    )
    POLICY_PUBLISHED = "policy.published", "A second person put a version of a policy in force."
    POLICY_RETIREMENT_ASKED = "policy.retirement_asked", "Somebody asked for a policy to end."
    POLICY_RETIRED = "policy.retired", "A version of a policy was taken out of force."
    PROVISIONAL_USED = (
        "provisional.used",
        "A step ran before anybody was asked; it is taken back unless people countersign.",
    )
    PERMIT_USED = "permit.used", "A step ran under a permit, and nobody was asked."
    NEVER_TOUCH_ADDED = "never_touch.added", "A target was put on the never-touch list."
    NEVER_TOUCH_REMOVED = "never_touch.removed", "A target was taken off the never-touch list."

    PLAYBOOK_DRY_RUN = "playbook.dry_run", "Somebody let a version be walked; nothing was done."

    CONNECTION_CONFIGURED = "connection.configured", "A connection was created or changed."
    CONNECTION_LIMITED = "connection.limited", "How much a connection may be used was said anew."

    CONNECTION_OWNED = "connection.owned", "A connection was given an owner."

    HOLD_PLACED = (
        "hold.placed",
        "Somebody stopped a playbook, a connection or everything from beginning more.",
    )
    HOLD_RELEASED = "hold.released", "Somebody let go of what was held."

    PERSON_CREATED = "person.created", "An account was created."
    PERSON_CHANGED = "person.changed", "An account was changed, activated or deactivated."
    ROLE_GRANTED = "role.granted", "Somebody was given a role."
    ROLE_REVOKED = "role.revoked", "A role was taken from somebody."
    ROLE_CREATED = "role.created", "A role of the installation's own was made."
    ROLE_CHANGED = "role.changed", "What a role permits was changed."
    ROLE_ENDED = "role.ended", "A role was ended; nobody holds it any more."
    TEAM_CREATED = "team.created", "A team was made."
    TEAM_RENAMED = "team.renamed", "A team got another name; it is the same team."
    TEAM_ENDED = "team.ended", "A team was ended; nobody belongs to it any more."
    TEAM_JOINED = "team.joined", "Somebody was taken into a team."
    TEAM_LEFT = "team.left", "Somebody was taken out of a team."
    TEAM_ASSIGNED = "team.assigned", "Something was given to a team, or back to everybody."
    GRANT_GIVEN = "grant.given", "Somebody was given a right on one object."
    GRANT_TAKEN = "grant.taken", "A right on one object was taken back."
    DELEGATION_NAMED = "delegation.named", "A person named a substitute for a while."
    DELEGATION_ENDED = "delegation.ended", "A delegation was ended before its time."
    SHIFT_PUBLISHED = "shift.published", "Somebody was put on a rota."
    SHIFT_WITHDRAWN = "shift.withdrawn", "Somebody was taken off a rota."
    TOKEN_ISSUED = "token.issued", "An API token was issued."
    TOKEN_REVOKED = "token.revoked", "An API token was taken out of force."
    TOKEN_REFUSED = "token.refused", "A call with an invalid token was turned away."
    SOURCE_CREATED = "source.created", "An alert source was created."

    SIGNIN_SUCCEEDED = "signin.succeeded", "Somebody signed in."
    SIGNIN_FAILED = "signin.failed", "An attempt to sign in failed."
    STEP_UP_PROVEN = "stepup.proven", "Somebody proved again that it is them."
    STEP_UP_REFUSED = "stepup.refused", "What somebody gave as a proof proved nothing."
    SIGNIN_LOCKED_OUT = "signin.locked_out", "After too many failures nobody may try from there for a while."
    SIGNOUT_DONE = "signout.done", "Somebody signed out."
    SESSION_ENDED = "session.ended", "A session, or all of somebody's, was ended from elsewhere."
    PASSWORD_CHANGED = "password.changed", "Somebody changed their password."
    FACTOR_ADDED = "factor.added", "Somebody added a passkey, an authenticator app or recovery codes."
    FACTOR_REMOVED = "factor.removed", "Somebody removed a passkey, an authenticator app or recovery codes."
    FACTOR_RENEWED = "factor.renewed", "Somebody made new recovery codes; the old ones stopped."
    IDENTITY_LINKED = "identity.linked", "An administrator said whose an account or an outside identity is."
    IDENTITY_UNLINKED = (
        "identity.unlinked",
        "An administrator took back whose an account or an outside identity is.",
    )
    SETUP_OFFERED = "setup.offered", "A one-time link for the first administrator was made."
    SETUP_DONE = "setup.done", "The first administrator came by the one-time link."
    SETUP_REFUSED = (
        "setup.refused",
        "A link for the first administrator that is not in force was turned away.",
    )

    NOTICE_RULES_CHANGED = "notice.rules_changed", "Somebody changed what they are told, how and when."
    NOTICE_CHANNEL_ADDED = "notice.channel_added", "An address for notices was added."
    NOTICE_CHANNEL_REMOVED = "notice.channel_removed", "An address for notices was removed."
    NOTICE_UNDELIVERED = "notice.undelivered", "Notices to somebody no longer arrive."

    EXPORT_MADE = "export.made", "Evidence was exported."

    PROFILE_PROPOSED = (
        "profile.proposed",
        "A profile is to hold once another person confirms it, or at a time.",
    )
    PROFILE_CHANGED = "profile.changed", "How far duties are segregated here was changed."
    PROFILE_WITHDRAWN = "profile.withdrawn", "A profile that was proposed was taken back."

    DEMO_LOADED = "demo.loaded", "The demonstration was loaded."
    LOG_STARTED = "log.started", "This log began."
    KEY_INTRODUCED = "key.introduced", "A key that signs checkpoints was introduced."
