"""Checks that the rubrics of several labs share, in groups. A rubric imports whole groups or single checks."""

GROUPS = ("conversation", "concurrent", "leaving", "event_loop", "pool")
"""The order in which the judge runs them: a conversation that fails explains the failures of everything after it."""
