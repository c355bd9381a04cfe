"""Lets `python -m fcs` be the command `fcs`."""

from fcs.cli import main

if __name__ == "__main__":
    main()
