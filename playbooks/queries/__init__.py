"""Every non-trivial read: query sets of what a person may see, and frozen views of it."""
