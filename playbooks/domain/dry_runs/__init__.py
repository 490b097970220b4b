"""A dry run: the engine of playbooks.md over steps in memory, which does nothing and says what would be done.

It asks the same planner, begins and ends turns by the same rules, and covers calls by the same gates as the engine
that works on rows; tests hold the two to the same path. Time is simulated: an action takes none, a wait takes as long
as it says. Pure: what an action would answer is told by the `World`.
"""
