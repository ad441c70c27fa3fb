"""How fast and how lean the kit's server is, against two servers of the same model: ``make speed``."""
