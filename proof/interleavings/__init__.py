"""Transactions on several connections, in every order that matters: each ends as if alone."""
