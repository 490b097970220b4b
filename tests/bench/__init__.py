"""`python -m tests.bench`: what the product costs, against hand-written loops in the same run.

Machines are noisy, so every figure is a ratio. The references are one SQL transaction for each step on one
connection, and a bare Django view; the targets in figures.py are bounds of those ratios.
"""
