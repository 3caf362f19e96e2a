"""`python -m flows.vendor_file`: wide files that wait in landing/, from a shell."""

import argparse

from flows.starting.command_line import exit_with_reason, one_or_more, read_fields, read_options, show
from tasks.extract.wide_files.layout import Layout


def main() -> int:
    """The flow, on a temporary Prefect API where none is configured. Shows the run summary."""
    parser = _parser()
    options = read_options(parser)
    layout = read_fields(parser, options, Layout)
    with exit_with_reason():
        from flows.starting.shell import run_in_shell  # noqa: PLC0415
        from flows.vendor_file import vendor_file  # noqa: PLC0415

        report = run_in_shell(vendor_file(options.files, layout, options.dates_in_mean))
    show(report.summary)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.vendor_file",
        description="Wide vendor files from landing/ of the lake into the lake's datasets and the warehouse.",
    )
    parser.add_argument("files", nargs="*", help="patterns of paths below landing/, such as *.csv; none: all files")
    parser.add_argument("--dates-in-mean", type=one_or_more, default=50, help="of each code (50)", metavar="N")
    for name, field in Layout.model_fields.items():
        several = "*" if isinstance(field.get_default(), list) else None
        text = (field.description or "").replace("%", "%%")
        parser.add_argument(f"--{name.replace('_', '-')}", nargs=several, metavar=name.upper(), help=text)
    return parser
