"""The command `steepest`, and `python -m steepest`."""

import sys

from steepest.terminal import leave_at_once


def main() -> int:
    """Run the command and return its exit code; Ctrl-C ends it in a line from here on, while it is imported too."""
    leave_at_once()
    from steepest import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
