"""Runs steps in hermetic containers: profiles, staging, the container itself, collection of outputs, scheduling."""
