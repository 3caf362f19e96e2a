"""Many codes with few reasons are few words."""

from tasks.reasons import grouped


def test_reasons_are_counted_and_the_most_frequent_comes_first() -> None:
    codes = [(f"{n:03}.US", f"status 500 for /eod/{n:03}.US") for n in range(502)] + [("A.US", "status 403")]
    first, second = grouped(codes).split("; ")
    assert first.startswith("502 status 500 for /eod/CODE (000.US, 001.US, ")
    assert first.endswith(", 009.US and 492 more)")
    assert second == "1 status 403 (A.US)"


def test_a_long_reason_leaves_room_for_its_codes() -> None:
    assert grouped([("A.US", "x" * 5000)]).endswith("x (A.US)")


def test_nothing() -> None:
    assert grouped([]) == ""
