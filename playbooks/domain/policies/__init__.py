"""Policies: what an installation asks for before an action may run, wherever the action is called from."""
