"""Moved to `gnomon.search.finding`: a module of this name would hide the function `gnomon.search.find`."""

from gnomon.search.finding import Choice, Found, check, choose, find

__all__ = ["Choice", "Found", "check", "choose", "find"]
