"""Diagrams of a recorded trace: for the terminal, as a web page, as Mermaid text, and for Perfetto.

::

    records ──▶ matching: the two ends of each connection, and which recv() received which send()
                   │
                   ├──▶ sequence: lifelines, and rows in an order that keeps cause before effect
                   │        ├──▶ terminal_diagram
                   │        ├──▶ diagram_page
                   │        └──▶ mermaid
                   └──▶ perfetto: a track for each thread, a slice for each call
"""
