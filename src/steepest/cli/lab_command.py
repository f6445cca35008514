"""`steepest lab`: the page in the browser, on a table of one's own."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from steepest.cli.app import Table, app
from steepest.cli.options import output, settings_of, with_options
from steepest.errors import SpecError


@app.command(help_epilogue="Examples: steepest lab, or on a table: steepest lab houses.csv --target price")
@with_options()
def lab(
    data: Table | None = None,
    /,
    *,
    port: Annotated[int, output("Port to listen on; any free one by default.")] = 0,
    host: Annotated[str, output("Address to listen on; this machine alone by default.")] = "127.0.0.1",
    browser: Annotated[
        bool, Parameter(help="Open the page in a browser (done by default).", negative="--no-browser")
    ] = True,
    classroom: Annotated[bool, output("For a class: many at once, and a page for the teacher. Needs --host.")] = False,
    **settings: Any,
) -> int:
    """Descend in the browser: watch each step, change anything, compare, and see why."""
    try:
        from steepest.lab import exhibits, server
        from steepest.lab.experiment import REFUSED, Experiment
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise SpecError("The lab needs starlette and uvicorn. Install them: pip install 'steepest[lab]'") from None
    given = settings_of(settings)
    if classroom and host == "127.0.0.1":
        raise SpecError(
            "A classroom needs --host, the address of this machine in the classroom's network, such as 192.168.1.7."
        )
    for name in REFUSED & set(given):
        raise SpecError(f"{name} is no setting of the lab. Leave it out.")
    if not 0 <= port < 2**16:
        raise SpecError(f"--port {port}: it must be a number from 0 (any free one) to 65535.")
    table = None if data is None or data.startswith("sample:") else data
    if table is not None:
        from steepest.data.files import paths_of

        paths_of(table)  # a file that is not there is said before a page opens
    opened = exhibits.first() if data is None else {"data": "given" if table else data, "settings": {}}
    opened["settings"].update(given)
    Experiment.read(opened)
    server.run(opened, host, port, browser, table, classroom)
    return 0
