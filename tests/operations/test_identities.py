"""Several accounts of one human are one person to whoever asks, and nobody says so of themselves."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from allauth.socialaccount.models import SocialAccount
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from playbooks.access.identities import accounts_of, same_human
from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Principal, PrincipalKind
from playbooks.operations import identities, people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.cast import Cast
from tests.proving import proven


def person(username: str) -> Principal:
    return people.create(username, actor=SYSTEM, name=username.title(), password=None)


def robot(username: str, owner: Principal) -> Principal:
    return people.create(
        username, actor=SYSTEM, name=username, password=None, kind=PrincipalKind.SERVICE, owner=owner
    )


def names(principal: Principal) -> set[str]:
    accounts = accounts_of([principal.pk])[principal.pk]
    return set(Principal.objects.filter(pk__in=accounts).values_list("username", flat=True))


def test_an_account_is_by_itself_until_somebody_says_otherwise(cast: Cast) -> None:
    assert names(cast.tier2) == {"tier2"}
    stranger = uuid4()
    assert accounts_of([stranger, cast.tier2.pk])[stranger] == {stranger}


def test_further_accounts_and_service_accounts_are_all_one_person(cast: Cast) -> None:
    second, machine, other = person("tier2-lab"), robot("machine", cast.tier2), robot("other", cast.analyst)
    identities.link(second, cast.tier2, caller=None)
    lab_machine = robot("lab-machine", second)
    everything = {"tier2", "tier2-lab", "machine", "lab-machine"}
    for each in (cast.tier2, second, machine, lab_machine):
        assert names(each) == everything
    assert names(other) == {"other", "analyst"}
    assert same_human(machine.pk, second.pk)
    assert not same_human(machine.pk, other.pk)


def test_they_are_found_in_one_query_for_any_number(cast: Cast, django_assert_num_queries: object) -> None:
    keys = list(Principal.objects.values_list("pk", flat=True))
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert set(accounts_of(keys)) == set(keys)


def test_what_a_deactivated_account_did_stays_the_persons(cast: Cast) -> None:
    second = person("tier2-lab")
    identities.link(second, cast.tier2, caller=None)
    people.deactivate(second, actor=SYSTEM)
    assert names(cast.tier2) == {"tier2", "tier2-lab"}


def test_links_never_make_a_chain(cast: Cast) -> None:
    second, third = person("second"), person("third")
    identities.link(third, second, caller=None)
    identities.link(second, cast.tier2, caller=None)
    assert names(third) == {"tier2", "second", "third"}
    assert not Principal.objects.filter(same_person_as__same_person_as__isnull=False).exists()
    with pytest.raises(Invalid, match="one person already"):
        identities.link(cast.tier2, third, caller=None)


def test_unlinking_makes_it_an_account_of_its_own_again(cast: Cast) -> None:
    second = person("second")
    identities.link(second, cast.tier2, caller=cast.caller("admin"))
    second.refresh_from_db()
    identities.unlink(second, caller=cast.caller("admin"))
    assert names(second) == {"second"}
    with pytest.raises(Missing):
        identities.unlink(second, caller=None)
    for verb in (Verb.IDENTITY_LINKED, Verb.IDENTITY_UNLINKED):
        entry = reading.entries(verb=verb).get()
        assert (entry.actor_id, entry.subject_id) == (str(cast.admin.pk), str(second.pk))


@pytest.mark.parametrize("who", ["analyst", "publisher", "compliance", "outsider"])
def test_only_an_administrator_says_whose_an_account_is(cast: Cast, who: str) -> None:
    with pytest.raises(Refused) as refused:
        identities.link(cast.tier2, cast.netowner, caller=cast.caller(who))
    assert refused.value.rule == "no_permission"
    assert names(cast.tier2) == {"tier2"}


def test_nobody_says_it_of_themselves_by_whichever_of_their_accounts(cast: Cast) -> None:
    """Taking a link away would make two people of one, who could then approve what they asked for."""
    second, machine = person("admin-lab"), robot("machine", cast.admin)
    identities.link(second, cast.admin, caller=None)
    people.grant(second, "administrator", actor=SYSTEM, granted_by=None)
    second.refresh_from_db()
    attempts = [
        lambda: identities.unlink(second, caller=cast.caller("admin")),
        lambda: identities.link(cast.tier2, cast.admin, caller=cast.caller("admin")),
        lambda: identities.link(cast.admin, cast.tier2, caller=cast.caller("admin")),
        lambda: identities.link(cast.tier2, machine, caller=cast.caller("admin")),
        lambda: identities.provision(second, provider="oidc", subject="x", caller=cast.caller("admin")),
    ]
    for attempt in attempts:
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.rule == "own_identity"
    assert names(cast.admin) == {"admin", "admin-lab", "machine"}


def test_a_service_account_is_nobodys_further_account_and_has_an_owner(cast: Cast) -> None:
    machine = robot("machine", cast.analyst)
    for account, to in ((machine, cast.tier2), (cast.tier2, machine)):
        with pytest.raises(Invalid):
            identities.link(account, to, caller=None)
    for kind, owner in ((PrincipalKind.SERVICE, None), (PrincipalKind.PERSON, cast.analyst)):
        with pytest.raises(Invalid):
            people.create("new", actor=SYSTEM, name="New", password=None, kind=kind, owner=owner)
    with pytest.raises(Invalid):
        robot("of-a-robot", machine)
    people.deactivate(cast.analyst, actor=SYSTEM)
    cast.analyst.refresh_from_db()
    with pytest.raises(Invalid):
        robot("of-nobody", cast.analyst)


def test_an_outside_identity_is_of_one_person_and_is_taken_back(cast: Cast) -> None:
    admin = cast.caller("admin")
    identities.provision(cast.tier2, provider="oidc", subject="1234", caller=proven(admin))
    with pytest.raises(Invalid, match="somebody already"):
        identities.provision(cast.analyst, provider="oidc", subject="1234", caller=proven(admin))
    assert SocialAccount.objects.get().user == cast.tier2
    with pytest.raises(Missing):
        identities.withdraw(cast.analyst, provider="oidc", subject="1234", caller=admin)
    identities.withdraw(cast.tier2, provider="oidc", subject="1234", caller=admin)
    assert not SocialAccount.objects.exists()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.tuples(some.integers(0, 4), some.integers(0, 4), some.booleans()), max_size=8))
def test_whatever_is_linked_and_unlinked_people_are_a_partition(
    db: None, steps: list[tuple[int, int, bool]]
) -> None:
    """Beside it runs a plain model: linking joins two sets, unlinking takes one out of its set."""
    keys = [Principal.objects.create(username=f"p-{uuid4()}", name="P").pk for _ in range(5)]
    model = [{number} for number in range(5)]
    for one, other, joins in steps:
        _take(keys, model, one, other if joins else None)
        found = accounts_of(keys)
        assert [{keys.index(each) for each in found[key]} for key in keys] == model


def _take(keys: list[UUID], model: list[set[int]], one: int, other: int | None) -> None:
    account, *to = (Principal.objects.get(pk=keys[each]) for each in (one, other) if each is not None)
    try:
        if to:
            identities.link(account, to[0], caller=None)
        else:
            identities.unlink(account, caller=None)
    except (Invalid, Missing):
        return
    rest = model[one] | model[other] if other is not None else model[one] - {one}
    for each in rest:
        model[each] = rest
    if other is None:
        model[one] = {one}
