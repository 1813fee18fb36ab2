"""Turns an execution into lineage: what to run, what was found, and how it is written down."""
