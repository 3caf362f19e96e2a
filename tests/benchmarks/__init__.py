"""Ours beside the peers, in the same run and on the same data: `.dev/python -m tests.benchmarks`.

A benchmark is a module that is named here, `load.sqlite` for one in a folder. It has

- `SIZE` and `TINY`, what its race takes: as measured, and as small as it can be for `test_benchmarks.py`, which runs
  with the tests so that no benchmark rots;
- `race(size)`, a context manager that makes the data, starts what is needed, and gives a `Race`.

A measurement has nothing that could run beside it. It is a module that is named here, too, with `SIZE`, `TINY` and
`take(size, console)`, which shows its figures and says whether its targets are met.

What the peers need that a run does not is in the requirements of the tests: `REQUIREMENTS=test`.
"""

BENCHMARKS = (
    "extraction",
    "lake.publish",
    "lake.read",
    "lake.recent",
    "load.odbc",
    "load.postgresql",
    "load.sqlite",
    "load.upsert",
    "reshape",
)

MEASUREMENTS = ("work_pool",)
