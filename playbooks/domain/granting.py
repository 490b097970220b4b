"""Who may give a right to whom: nobody gives one to themselves, by whatever account.

Standard library only, and total, like the rules of duties.py, to which it belongs by the design.
"""

from __future__ import annotations

from playbooks.domain.duties import Denial


def grantor_is_beneficiary(grantor: frozenset[str], beneficiaries: frozenset[str]) -> Denial | None:
    """`grantor` are all accounts of whoever gives, `beneficiaries` those that would have the right then, by id."""
    if grantor.isdisjoint(beneficiaries):
        return None
    return Denial(
        "grantor_is_beneficiary",
        "This would give a right to yourself, or to an account of yours, so somebody else has to give it.",
    )
