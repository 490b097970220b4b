"""How a call can end badly, as exceptions that each carry the sentence for the person who reads it."""

from __future__ import annotations


class RefusedError(Exception):
    """Nothing was done, and a retry cannot help."""


class UnreachableError(Exception):
    """Nothing was done; a retry may help."""


class AnswerLostError(Exception):
    """The request was sent and no answer came: whether it happened is not known."""
