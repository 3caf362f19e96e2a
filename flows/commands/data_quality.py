"""`python -m flows.data_quality`: the checks over what is stored, from a shell."""

import argparse
from typing import get_args

from flows.starting.command_line import day, exit_with_reason, one_or_more, read_options, show, yesterday
from tasks.choices import StoredDataset
from tasks.window import Window


def main() -> int:
    """The flow, on a temporary Prefect API where none is configured. Shows the summary, or what failed."""
    options = read_options(_parser())
    with exit_with_reason():
        window = _window(options)
        from flows.data_quality import data_quality  # noqa: PLC0415
        from flows.starting.shell import run_in_shell  # noqa: PLC0415

        report = run_in_shell(data_quality(window, options.days, options.datasets or None))
    show(report.summary)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.data_quality", description="The checks over what is stored, with their trend."
    )
    names = ", ".join(get_args(StoredDataset))
    parser.add_argument("datasets", nargs="*", type=_dataset, help=f"of {names}; none: all that are in use")
    parser.add_argument("--first", type=day, help="first day, YYYY-MM-DD")
    parser.add_argument("--last", type=day, help="last day, YYYY-MM-DD; default: yesterday")
    parser.add_argument("--days", type=one_or_more, default=28, help="how many days, without a first one (28)")
    return parser


def _dataset(text: str) -> str:
    if text not in get_args(StoredDataset):
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(get_args(StoredDataset))}")
    return text


def _window(options: argparse.Namespace) -> Window | None:
    """None where no day was given: those before the day for which the run is scheduled."""
    if options.first is None and options.last is None:
        return None
    last = options.last or yesterday()
    if options.first is None:
        return Window(first=last, last=last).reaching_back(options.days - 1)
    return Window(first=options.first, last=last)
