"""The fake database: each statement of `fcs.database` that moves tasks, in plain Python.

Its modules, functions and answers are those of `fcs.database`, with a transaction in place of the
connection. Statements are atomic here; what a lock decides between two of them, the real ones show
elsewhere. That both say and do the same is what `python -m proof twin` proves.
"""
