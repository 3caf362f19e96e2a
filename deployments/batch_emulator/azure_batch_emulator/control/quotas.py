"""Limits of an account. The service gives a new account less than most people expect."""

import re
from dataclasses import dataclass

# Families in which the number of the size is not the number of its cores.
_CORES = {
    **{
        f"standard_d{size}_v2": cores
        for size, cores in {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 11: 2, 12: 4, 13: 8, 14: 16}.items()
    },
    **{f"standard_a{size}": cores for size, cores in {1: 1, 2: 2, 3: 4, 4: 8, 5: 2, 6: 4, 7: 8}.items()},
}


@dataclass(frozen=True)
class Quotas:
    """Active jobs include disabled ones and active schedules; completed jobs do not count."""

    active_jobs_and_schedules: int = 300
    pools: int = 100
    dedicated_cores: int = 900
    low_priority_cores: int = 900


def cores(vm_size: str) -> int:
    """Virtual cores of a VM size, by the number in its name: 4 for standard_d4s_v3, 1 where there is none."""
    name = vm_size.lower()
    if name in _CORES:
        return _CORES[name]
    constrained = re.fullmatch(r"standard_[a-z]+\d+-(\d+)[a-z]*(?:_v\d+)?", name)
    plain = re.match(r"(?:standard|basic)_[a-z]+(\d+)", name)
    found = constrained or plain
    return max(1, int(found[1])) if found else 1
