"""Which model, for what, at what cost: measure servers under the same load, and report in numbers and pictures.

Read in this order: ``cells`` (the loads), ``contestants`` (the servers), ``measuring`` (one run of one server),
``schedule`` (all runs, in interleaved rounds), ``results`` (what is recorded), ``intervals`` (the statistics),
``summary`` and ``findings`` (the conclusions, in words), then the output: ``comparison_table``, ``tables``,
``comparison_page``.
"""
