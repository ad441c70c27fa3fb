"""The judge on the platforms that courses use: one result model inside, one small writer for each format outside.

``bundles`` makes what an instructor uploads; ``judge_there`` runs on the platform, and writes the result again after
every check, so that a time limit of the platform's loses nothing. The formats are ``gradescope``, ``classroom50``,
``junit`` and ``github_log``. A doubt costs a student nothing: an undetermined check keeps its points, and an error of
the judge is never a zero.
"""
