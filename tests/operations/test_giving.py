"""Whatever gives somebody a right takes a proof of the last five minutes, whichever door it comes by
(docs/decisions/0018); taking takes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from allauth.socialaccount.models import SocialAccount
from django.core.management import call_command
from django.utils import timezone

from playbooks import access
from playbooks.access.grants import GRANTS
from playbooks.domain.stepup import FRESH, Need, Purpose, need_of
from playbooks.domain.verbs import Verb
from playbooks.models import (
    Case,
    Connection,
    CustomRole,
    Delegation,
    Membership,
    Shift,
    StepUp,
    TeamMembership,
    Token,
)
from playbooks.operations import (
    confidences,
    connections,
    delegations,
    grants,
    identities,
    people,
    roles,
    rotas,
    teams,
    tokens,
)
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.delegations import Period
from playbooks.operations.grants import To
from playbooks.operations.refusals import Refused
from playbooks.operations.rotas import Planned
from tests.cast import Cast, connect
from tests.proving import prove, proven
from tests.teams import case_of_nobody, make_person, named_in_log

DAY = timedelta(days=1)
OUTSIDER = To(person="outsider")


@dataclass(frozen=True, slots=True)
class Place:
    """What there is to give something on: a case, the cast's connections, a team, and a role of its own."""

    cast: Cast
    case: Case

    @property
    def key(self) -> str:
        return str(self.case.pk)

    def give_case(self, caller: Caller) -> object:
        about = {"to": OUTSIDER, "permission": "see_case", "reason": "Helps."}
        return grants.give("case", self.key, caller=caller, **about)  # type: ignore[arg-type]

    def stand_in(self, caller: Caller) -> object:
        now = timezone.now()
        return delegations.name("tier2", caller=caller, period=Period(now, now + DAY), reason="Away.")

    def widen(self, caller: Caller) -> object:
        permissions = ["see_run", "start_run"]
        return roles.change("helper", caller=caller, title="Helper", permissions=permissions)

    def join_later(self, caller: Caller) -> object:
        about = {"name": "New", "password": "correct horse 7", "roles": ["tier-2"]}
        return roles.create_person("new", caller=caller, **about)  # type: ignore[arg-type]

    def put_on_call(self, caller: Caller) -> object:
        now = timezone.now()
        return rotas.publish("network", caller=caller, shifts=[Planned("tier2", now, now + DAY)])

    def restrict(self, caller: Caller) -> object:
        return confidences.restrict(self.case.pk, caller=caller, named=["outsider"], reason="Helps.")

    def let_in(self, caller: Caller) -> object:
        return identities.provision(self.cast.tier2, provider="oidc", subject="1", caller=caller)


@pytest.fixture
def place(cast: Cast) -> Place:
    connect(cast)
    admin = cast.caller("admin")
    teams.create("blue", caller=admin, name="Blue team")
    roles.create("helper", caller=admin, title="Helper", permissions=["see_run"])
    people.grant(cast.admin, "analyst", actor=SYSTEM, granted_by=None)  # works on cases as well
    return Place(cast, case_of_nobody())


Act = Callable[[Place, Caller], object]
GIVING: dict[Verb, Act] = {
    Verb.ROLE_GRANTED: lambda _, by: roles.give("outsider", "tier-2", caller=by),
    Verb.PERSON_CREATED: Place.join_later,
    Verb.ROLE_CHANGED: Place.widen,
    Verb.TEAM_JOINED: lambda _, by: teams.add("blue", "outsider", caller=by),
    Verb.GRANT_GIVEN: Place.give_case,
    Verb.CASE_RESTRICTED: Place.restrict,
    Verb.DELEGATION_NAMED: Place.stand_in,
    Verb.SHIFT_PUBLISHED: Place.put_on_call,
    Verb.CONNECTION_OWNED: lambda _, by: connections.give_to("edge-firewall", caller=by, owner="tier2"),
    Verb.IDENTITY_LINKED: Place.let_in,
    Verb.TOKEN_ISSUED: lambda _, by: tokens.issue(by, scopes=["read"], days=7),
}


def nothing_was_given(place: Place) -> bool:
    assert "start_run" not in roles.permitted(CustomRole.objects.get())
    return not any(
        (
            access.roles_of([place.cast.outsider.pk])[place.cast.outsider.pk],
            Membership.objects.filter(principal__username="new").exists(),
            TeamMembership.objects.exists(),
            GRANTS[Case].to_person.objects.exists(),
            Delegation.objects.exists(),
            Shift.objects.exists(),
            Connection.objects.filter(owner__isnull=False).exists(),
            SocialAccount.objects.exists(),
            Token.objects.exists(),
        )
    )


def need_for(verb: Verb) -> Need:
    return need_of(Purpose.TOKEN if verb is Verb.TOKEN_ISSUED else Purpose.GRANT)


@pytest.mark.parametrize("verb", GIVING)
def test_nothing_is_given_without_a_proof_and_the_sentence_says_how_to_give_one(
    place: Place, verb: Verb
) -> None:
    with pytest.raises(Refused) as refused:
        GIVING[verb](place, place.cast.caller("admin"))
    assert refused.value.rule == "not_stepped_up"
    assert "set up a passkey or an authenticator app under your account" in str(refused.value)
    assert nothing_was_given(place)
    assert not [each for each in named_in_log(verb) if "step_up" in each]


@pytest.mark.parametrize("verb", GIVING)
def test_what_is_given_says_by_which_proof(place: Place, verb: Verb) -> None:
    by = place.cast.caller("admin")
    row = prove(by, need_for(verb))
    GIVING[verb](place, by)
    log = named_in_log(Verb.ROLE_GRANTED if verb is Verb.PERSON_CREATED else verb)
    assert (log[0]["step_up"], log[0]["step_up_method"]) == (str(row.pk), "passkey")
    assert StepUp.objects.get(pk=row.pk).used_at is None  # it is good for five minutes


@pytest.mark.parametrize("verb", GIVING)
def test_a_proof_of_more_than_five_minutes_ago_gives_nothing(place: Place, verb: Verb) -> None:
    by = proven(place.cast.caller("admin"))
    with time_machine.travel(timezone.now() + FRESH), pytest.raises(Refused) as refused:
        GIVING[verb](place, by)
    assert refused.value.rule == "not_stepped_up"
    assert nothing_was_given(place)


def test_neither_a_token_nor_another_session_gives_by_it(place: Place) -> None:
    by = proven(place.cast.caller("admin"))
    people.issue_token(place.cast.admin, actor=SYSTEM, scopes=["read"])
    for caller, rule in (
        (Caller(by.principal, place.cast.admin.tokens.get(), None, by.session), "token_not_person"),
        (Caller(by.principal, session="elsewhere"), "not_stepped_up"),
    ):
        with pytest.raises(Refused) as refused:
            roles.give("outsider", "tier-2", caller=caller)
        assert refused.value.rule == rule
    assert not access.roles_of([place.cast.outsider.pk])[place.cast.outsider.pk]


def test_taking_takes_no_proof(place: Place) -> None:
    by, tier2 = proven(place.cast.caller("admin")), place.cast.caller("tier2")
    for each in GIVING.values():
        each(place, by)
    StepUp.objects.all().delete()
    owned = {"provider": "oidc", "subject": "1", "caller": by}
    roles.take("outsider", "tier-2", caller=by)
    roles.change("helper", caller=by, title="Helper", permissions=[])
    roles.end("helper", caller=by)
    teams.remove("blue", "outsider", caller=by)
    grants.take("case", place.key, caller=by, to=OUTSIDER, permission="see_case")
    confidences.restrict(place.case.pk, caller=by, named=["admin"], reason="Alone.")
    delegations.end(Delegation.objects.get().pk, caller=tier2)
    rotas.withdraw(Shift.objects.get().pk, caller=by)
    connections.give_to("edge-firewall", caller=by, owner="")
    identities.withdraw(place.cast.tier2, **owned)
    tokens.revoke(Token.objects.get().pk, caller=by)
    roles.deactivate("new", caller=by)


def test_a_person_without_a_role_and_a_role_that_nobody_holds_take_none(place: Place) -> None:
    by = place.cast.caller("admin")
    roles.create_person("new", caller=by, name="New", password="correct horse 7", roles=[])
    roles.create("other", caller=by, title="Other", permissions=["see_run"])


def test_a_command_on_the_host_takes_none_and_says_that_it_was_one(place: Place) -> None:
    call_command("person", "outsider", role=["tier-2"], stdout=StringIO())
    call_command("token", "outsider", scope=["read"], stdout=StringIO())
    for verb in (Verb.ROLE_GRANTED, Verb.TOKEN_ISSUED):
        assert "step_up" not in named_in_log(verb)[0]
    assert Token.objects.get().created_by is None


def test_somebody_who_has_a_way_reads_which(place: Place) -> None:
    prove(place.cast.caller("admin"), need_for(Verb.ROLE_GRANTED))
    with pytest.raises(Refused, match="To give rights, prove again that it is you, with your passkey"):
        roles.give("outsider", "tier-2", caller=Caller(place.cast.admin, session="another"))
    with pytest.raises(Refused, match="To issue a token, prove again that it is you"):
        tokens.issue(Caller(place.cast.admin, session="another"), scopes=["read"], days=7)


def test_nobody_who_may_not_give_is_asked_for_a_proof(place: Place) -> None:
    make_person("friend")
    with pytest.raises(Refused) as refused:
        roles.give("friend", "tier-2", caller=place.cast.caller("tier2"))
    assert refused.value.rule == "no_permission"
    with pytest.raises(Refused) as refused:
        roles.give("admin", "tier-2", caller=place.cast.caller("admin"))
    assert refused.value.rule == "grantor_is_beneficiary"
