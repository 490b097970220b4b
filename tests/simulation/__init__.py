"""A deterministic simulation of the engine: one seed, one history.

A world is a database, a far side that counts effects, a broker that loses, repeats and reorders, a clock that jumps,
and workers, sweeps and people that are interleaved at every named seam and between their transactions. Whatever a
world did can be had again with `python -m tests.simulation --seed N --trace`.
"""
