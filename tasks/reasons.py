"""Many codes with few reasons, told in few words: by reason, with counts and examples."""

from collections.abc import Iterable

_EXAMPLES = 10
_LONGEST = 200  # characters of a reason


def grouped(codes: Iterable[tuple[str, str]]) -> str:
    """`code, reason`, the most frequent reason first: `412 refused: status 500 (A.US, B.US, ... and 402 more); ...`."""
    by_reason: dict[str, list[str]] = {}
    for code, told in sorted(codes):
        reason = told.replace(code, "CODE")[:_LONGEST]  # which stands in an address
        by_reason.setdefault(reason, []).append(code)
    most_first = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    return "; ".join(f"{len(some)} {reason} ({_examples(some)})" for reason, some in most_first)


def _examples(codes: list[str]) -> str:
    more = f" and {len(codes) - _EXAMPLES:,} more" if len(codes) > _EXAMPLES else ""
    return ", ".join(codes[:_EXAMPLES]) + more
