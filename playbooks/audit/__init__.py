"""The audit log: the only door to its tables.

`append` writes entries in the caller's transaction; `reading` finds them; `sequencer` builds the signed
tree; `bundle` exports evidence; `verification` checks the live log.
"""

from playbooks.audit.writing import Actor, Entry, EntryError, Heads, Stream, Subject, append

__all__ = ["Actor", "Entry", "EntryError", "Heads", "Stream", "Subject", "append"]
