"""The tables. Those of the audit log and the decisions are not re-exported: each has one door."""

from playbooks.models import audit, decisions  # noqa: F401 - Django has to know their tables
from playbooks.models.alerts import Alert, AlertRaw, Source
from playbooks.models.approvals import Alternative, ApprovalRequest, Consumption, Late, Seat
from playbooks.models.break_glass import BreakGlass, Finding
from playbooks.models.cases import Case, CaseSubject
from playbooks.models.connections import Connection, SimulatedState, seal, unseal
from playbooks.models.delegations import Delegation
from playbooks.models.notices import Notice, NoticeChannel, NoticeRules
from playbooks.models.people import Membership, Principal, PrincipalKind, Token
from playbooks.models.playbooks import Playbook, PlaybookVersion
from playbooks.models.policies import NeverTouch, PermitUse, Policy, PolicyVersion
from playbooks.models.profiles import ProfileChange
from playbooks.models.roles import CustomRole
from playbooks.models.rotas import Rota, Shift
from playbooks.models.runs import Attempt, Run, RunTrigger, Step, Turn
from playbooks.models.sessions import FirstAdministratorLink, Session
from playbooks.models.stepup import FactorUse, StepUp
from playbooks.models.system import Heartbeat, IdempotencyKey
from playbooks.models.teams import Team, TeamMembership
from playbooks.models.waiting import Event, Expiry, Hold, HoldScope, Question

__all__ = [
    "Alert",
    "AlertRaw",
    "Alternative",
    "ApprovalRequest",
    "Attempt",
    "BreakGlass",
    "Case",
    "CaseSubject",
    "Connection",
    "Consumption",
    "CustomRole",
    "Delegation",
    "Event",
    "Expiry",
    "FactorUse",
    "Finding",
    "FirstAdministratorLink",
    "Heartbeat",
    "Hold",
    "HoldScope",
    "IdempotencyKey",
    "Late",
    "Membership",
    "NeverTouch",
    "Notice",
    "NoticeChannel",
    "NoticeRules",
    "PermitUse",
    "Playbook",
    "PlaybookVersion",
    "Policy",
    "PolicyVersion",
    "Principal",
    "PrincipalKind",
    "ProfileChange",
    "Question",
    "Rota",
    "Run",
    "RunTrigger",
    "Seat",
    "Session",
    "Shift",
    "SimulatedState",
    "Source",
    "Step",
    "StepUp",
    "Team",
    "TeamMembership",
    "Token",
    "Turn",
    "seal",
    "unseal",
]
