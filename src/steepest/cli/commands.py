"""The terminal's way in: `steepest fit DATA --target y`, `steepest sweep DATA --lr …` and `steepest predict RUN DATA`.

Options are the settings of a fit, the same words as in `fit()`, with dashes (options.py). The commands: fit_commands.py, which
take a table, run_commands.py, which take a run that was kept, lab_command.py, the page in the browser, and cache_command.py.
Results go to stdout; progress, warnings and errors go to stderr.

Exit codes: 0 done · 1 the data or the fit is at fault · 2 the command line is · 3 diverged · 130 interrupted (143 by SIGTERM).

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError

from steepest.cli import cache_command, fit_commands, lab_command, process, run_commands  # noqa: F401  most bring commands
from steepest.cli.app import app, fail
from steepest.cli.options import DASH
from steepest.errors import DataError, SpecError, SteepestError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; `arguments` are those of the command line by default."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if "RANK" in os.environ:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # where a rank is lost, others say so in a line
        from steepest.cli.sharing import idle

        if idle(arguments):
            return 0
    with process.streams(), process.stopped_by_signals() as signals:
        try:
            code = _run(arguments)
        except Exception:  # a signal may come while something is imported, which takes it for an error of its own
            if not signals:
                raise
            code = fail(_interrupted(), 130)
        except KeyboardInterrupt as stopped:
            code = fail(str(stopped) or _interrupted(), 130)
        return 128 + signals[-1] if code == 130 and signals else code


def _interrupted() -> str:
    """What is said where nothing is kept."""
    if "RANK" not in os.environ:
        return process.INTERRUPTED
    from steepest.cli.sharing import interrupted

    return interrupted(process.INTERRUPTED)


def _run(arguments: Sequence[str]) -> int:
    """Run the command; errors that a user can mend are said in a line."""
    try:
        code = app([DASH if word == "-" else word for word in arguments], print_error=False, exit_on_error=False)
        sys.stdout.flush()
        return code or 0
    except CycloptsError as error:
        command = next((f" {word}" for word in arguments if word in app), "")
        return fail(f"{error}\nSee: steepest{command} --help", 2)
    except SteepestError as error:
        from steepest.command_words import in_options

        # a table's faults have a line each
        return fail(in_options(str(error)), 2 if isinstance(error, SpecError) else 1, isinstance(error, DataError))
    except (BrokenPipeError, SystemExit):  # whoever read the output has gone, as in `| head`; rich exits then
        return 0
    except OSError as error:
        return fail(process.why_unwritten(error), 1)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        remedy = "Choose fewer --columns, a smaller model, or --record 100"
        return fail(f"there is not enough memory for this table and model. {remedy}", 1)
