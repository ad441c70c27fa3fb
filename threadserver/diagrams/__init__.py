"""Diagrams of a recorded trace: for the terminal, as a web page, as Mermaid text, and for Perfetto.

::

    records ──▶ matching: whose calls are the two ends of one connection, which recv() took which send()
                   │
                   ├──▶ sequence: lifelines, and rows in an order that keeps cause before effect
                   │        ├──▶ terminal
                   │        ├──▶ page
                   │        └──▶ mermaid
                   └──▶ perfetto: each thread a track, each call a slice
"""
