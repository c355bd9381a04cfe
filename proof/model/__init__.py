"""Model checking: every state that the protocol can come to, in small clusters and the worst of
environments.
"""
