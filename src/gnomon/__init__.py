"""Gnomon: a lab for small models, in which every number carries its uncertainty.

Importing this package imports nothing heavy; each room brings its own packages when it is used.
"""

__version__ = "0.1.0"
