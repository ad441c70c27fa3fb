"""Grading a class: from a platform's export to grades, feedback for each student, and a page about the class.

::

    an export ──exports──▶ hand-ins ──copies──▶ kept copies ──batch──▶ verdicts ──standing──▶ grades
                              │                                          │                    │
                          lateness: which one counts            grade_store: one SQLite file   ▼
                                                                           gradebooks, student_pages, class_page

Everything that a student wrote is hostile until it is shown to be harmless: archives (`archives`), names and output
(`threadserver.core.printable`), cells of a CSV file (`gradebooks.cell`), HTML (jinja2 escapes it). The judging itself
is the judge's: `threadserver.judge.asking` starts a judge process, contained, for each submission.
Read in this order: ``exports``, ``copies``, ``batch``, ``grade_store``, ``course``, ``standing``,
``grading``.
"""
