"""Every non-trivial read. Lists are query sets of what a person may see; views are frozen and need no further query."""
