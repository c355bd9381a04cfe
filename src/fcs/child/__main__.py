"""`python -m fcs.child`: started by a worker, and by nobody else."""

import sys

from fcs.child.main import main

sys.exit(main(sys.argv[1:]))
