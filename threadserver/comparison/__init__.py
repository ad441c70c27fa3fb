"""Which model, for what, at what cost: servers measured under the same load, and the result in numbers and pictures.

Read in this order: ``workloads`` (what is asked), ``contestants`` (of whom), ``measuring`` (one run of one server),
``schedule`` (all runs, in interleaved rounds), ``results`` (what is written down), ``intervals`` (what may be
concluded), ``summary`` and ``findings`` (what is concluded, in words), then how it is shown: ``terminal``,
``tables``, ``page``.
"""
