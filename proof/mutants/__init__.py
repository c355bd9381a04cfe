"""Mutants: the product with one guard taken out, each of which the suite has to catch.

What a suite finds says something only if it can fail. So guards of the protocol are taken out one
by one, and each time some stage has to notice.
"""
