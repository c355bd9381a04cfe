"""The bars of fcs: what Postgres could do, what fcs makes of it and what is asked, from one run.

`python -m bench` measures all of them, `python -m bench P1 P3` some.
"""
