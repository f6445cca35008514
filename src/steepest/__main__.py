"""The command `steepest`, and `python -m steepest`."""

from steepest.cli.process import leave, leave_at_once


def main() -> None:
    """Run the command and end the process with its exit code; Ctrl-C ends it in a line from here on, imports included."""
    leave_at_once()
    from steepest.cli import commands

    leave(commands.main())


if __name__ == "__main__":
    main()
