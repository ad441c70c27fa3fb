"""Checks that the rubrics of several labs share. A rubric takes a check by importing it."""
