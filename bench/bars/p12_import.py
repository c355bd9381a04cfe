"""P12: what it costs to import fcs, and to ask its command line for help."""

from bench.bar import AtMost, Bar, Within

BAR = Bar(
    "P12",
    "import of fcs for a producer; fcs --help",
    [],
    [AtMost("import fcs", "import psycopg and msgspec", 2), Within("fcs --help", 100)],
)
