"""`python -m gnomon` is the `gnomon` command."""

from gnomon.cli import main

main()
