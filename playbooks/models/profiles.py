"""Which profile holds here: each change, with who proposed it and who confirmed it."""

from __future__ import annotations

from django.db import models

from playbooks.domain.profiles import Profile
from playbooks.models.columns import identifier, is_one_of
from playbooks.models.people import Principal


class ProfileChange(models.Model):
    """`profile` holds from `takes_effect_at` until another one does; while that is null, it waits for a second person.

    Nobody proposed what was chosen by command.
    """

    id = identifier()
    installation = models.PositiveSmallIntegerField(default=1)  # there is one
    profile = models.CharField(max_length=10)
    reason = models.TextField()
    proposed_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    proposed_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    takes_effect_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            is_one_of("profile", Profile, name="a_profile_is_team_pair_or_solo"),
            models.CheckConstraint(
                condition=~models.Q(confirmed_by=models.F("proposed_by")),
                name="who_confirms_a_profile_did_not_propose_it",
            ),
            models.UniqueConstraint(
                fields=["installation"],
                condition=models.Q(takes_effect_at__isnull=True, withdrawn_at__isnull=True),
                name="one_profile_waits_for_confirmation",
            ),
        ]

    def __str__(self) -> str:
        return self.profile
