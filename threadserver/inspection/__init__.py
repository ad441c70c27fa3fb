"""What the kernel shows of a running server, and which concurrency model it is.

Everything here only reads: from /proc, and from the kernel's socket tables. Nothing stops, signals or changes the
server. Read in this order: `report` (what `inspect` shows), `experiment` and `rounds` (connections that are held while
the server is watched), `witnesses` (what each kind of evidence says), `rules` (what follows from it).
"""
