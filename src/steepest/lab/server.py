"""The lab's server: the page, what it loads, and the questions that it asks. It holds no numbers of its own.

    run(port=0)          serves until Ctrl-C; the link, with its token, is the first line on standard output

Who has no cookie of this server is answered by nothing but a page that says so. The link's token gives the cookie, once asked
for, and leaves the address. Other sites can neither read an answer nor ask a question: hosts and origins are checked, and every
page of the lab loads from it alone (Content-Security-Policy).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import socket
import sys
import time
import webbrowser
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from steepest.errors import RunError, SpecError
from steepest.lab.catalogue import catalogue
from steepest.lab.experiment import TASKS, Experiment
from steepest.lab.workers import Failed, Pool, Stopped, cores
from steepest.lab.workspaces import Workspace, Workspaces

PAGE = Path(__file__).parent / "page"
MOST_BYTES = 200 * 2**20  # of an upload
MOST_QUESTION = 2 * 2**20  # of a question
KEPT_ANSWERS = 64

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Lab:
    """What a server knows.

    token: who brings it may enter. first: the experiment that the page opens on. table: the rows that it calls `given`.
    teacher: of a classroom, the token of its teacher. sent: what the teacher sent last to all, and how many times something was.
    """

    token: str
    host: str
    port: int
    first: Mapping[str, Any]
    table: str | None = None
    teacher: str | None = None
    workspaces: Workspaces = field(init=False)
    answers: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    sent: tuple[int, Any] = (0, None)
    pool: Pool = field(init=False)

    def __post_init__(self) -> None:
        self.workspaces = Workspaces(self.port)
        self.pool = Pool(cores(), self.workspaces.folder, self.table, each=1 if self.teacher else 2)

    @property
    def cookie(self) -> str:
        """The cookie's name: servers on several ports of one machine share their cookies' place."""
        return f"steepest-lab-{self.port}"

    @property
    def link(self) -> str:
        """The address to open."""
        return f"http://{_in_address(addresses(self.host)[0])}:{self.port}/?token={self.token}"

    def hosts(self) -> list[str]:
        """The names under which it may be asked for."""
        return ["127.0.0.1", "localhost", "[::1]", *map(_in_address, addresses(self.host))]

    # ---- who asks ----

    def enter(self, request: Request) -> Response:
        """The page, for those who may have it."""
        given = request.query_params.get("token")
        if given is not None:
            teaches = self.teacher is not None and hmac.compare_digest(given.encode(), self.teacher.encode())
            if not teaches and not hmac.compare_digest(given.encode(), self.token.encode()):
                return _refused()
            answer = RedirectResponse("/", status_code=303)
            known = self.workspaces.of(request.cookies.get(self.cookie))
            if known is None or known.teacher is not teaches:
                answer.set_cookie(
                    self.cookie, self.workspaces.enter(teaches), httponly=True, samesite="strict", path="/"
                )
            return answer
        if self.workspaces.of(request.cookies.get(self.cookie)) is None:
            return _refused()
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-store"})

    def visitor(self, request: Request) -> Workspace:
        """Whose question it is. Refuses those without a cookie, and questions that another site makes a browser ask."""
        found = self.workspaces.of(request.cookies.get(self.cookie))
        if found is None:
            raise HTTPException(
                403, "This page is of a lab that was closed. Open the link that `steepest lab` printed."
            )
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        own = f"{request.url.scheme}://{request.headers.get('host')}"
        if request.method != "GET" and ((origin is not None and origin != own) or site not in (None, "same-origin")):
            raise HTTPException(403, "That question came from another site.")
        return found

    # ---- what is asked ----

    async def first_state(self, request: Request) -> Response:
        """What the page begins with: the words of all controls, the samples, the experiment it opens on."""
        workspace = self.visitor(request)
        files = [{"data": f"upload:{each}", "name": name} for each, name in workspace.uploads.items()]
        if self.table is not None:
            files.insert(0, {"data": "given", "name": Path(self.table).name})
        role = None if self.teacher is None else "teacher" if workspace.teacher else "student"
        return JSONResponse({**catalogue(), "first": self.first, "files": files, "role": role, "name": workspace.name})

    async def ask(self, request: Request) -> Response:
        """A task on an experiment, by a worker; the same question is answered once."""
        workspace = self.visitor(request)
        job = await _question(request)
        if job.get("task") not in TASKS:
            raise HTTPException(404, "There is no such task.")
        try:
            experiment = Experiment.read(job.get("experiment") or {"data": job.get("data")})
        except SpecError as error:
            return JSONResponse({"error": str(error)})
        if experiment.upload is not None and experiment.upload not in workspace.uploads:
            return JSONResponse({"error": "That file is not here. Choose it again."})
        key = json.dumps({**job, "experiment": experiment.key}, sort_keys=True)
        if key in self.answers:
            self.answers.move_to_end(key)
            self._note(workspace, job, self.answers[key])
            return _json(self.answers[key])
        try:
            answer = await self.pool.run(workspace.identifier, job)
        except Stopped:
            return JSONResponse({"stopped": True})
        except Failed as error:
            return JSONResponse({"error": str(error)})
        if experiment.upload is not None:
            answer = self.workspaces.named(workspace, experiment.upload, answer)
        self.answers[key] = answer
        self._note(workspace, job, answer)
        while len(self.answers) > KEPT_ANSWERS:
            self.answers.popitem(last=False)
        return _json(answer)

    async def stop(self, request: Request) -> Response:
        """End what the visitor waits for."""
        self.pool.stop(self.visitor(request).identifier)
        return JSONResponse({"stopped": True})

    async def classroom(self, request: Request) -> Response:
        """What the teacher sent last; for the teacher also who is there and how far each is. A student may say a name."""
        workspace = self.visitor(request)
        if self.teacher is None:
            raise HTTPException(404, "This lab is no classroom.")
        given = await _question(request)
        if isinstance(given.get("name"), str):
            workspace.name = given["name"].strip()[:40]
        if workspace.teacher and given.get("send") is not None:
            try:
                experiment = Experiment.read(given["send"])
            except SpecError as error:
                return JSONResponse({"error": str(error)})
            if experiment.upload is not None:
                return JSONResponse({"error": "A file of yours cannot be sent. Open the lab on it: steepest lab FILE"})
            self.sent = self.sent[0] + 1, experiment.model_dump(mode="json")
        number, sent = self.sent
        answer: dict[str, Any] = {"number": number, "sent": sent}
        if workspace.teacher:
            now = time.monotonic()
            there = [one for one in self.workspaces.by_identifier.values() if not one.teacher]
            answer["students"] = [{"name": one.name, "seconds": round(now - one.seen), **one.doing} for one in there]
        return JSONResponse(answer)

    def _note(self, workspace: Workspace, job: Mapping[str, Any], answer: bytes) -> None:
        """Keep what a student's last descent came to, for the teacher."""
        if self.teacher is None or job["task"] != "descend":
            return
        found = json.loads(answer)
        words, summary = found.get("words", {}), found.get("summary", {})
        workspace.doing = {
            "data": job["experiment"]["data"], "optimizer": words.get("optimizer"), "status": words.get("status"),
            "relative_gap": summary.get("relative_gap"), "error": found.get("error"),
        }  # fmt: skip

    async def upload(self, request: Request) -> Response:
        """A file, as the body of the question, written as it comes."""
        workspace = self.visitor(request)
        name = Path(request.query_params.get("name", "table.csv")).name[:200]
        identifier, place = self.workspaces.place(workspace, name)
        size = 0
        try:
            with place.open("wb") as file:
                async for part in request.stream():
                    size += len(part)
                    if size > MOST_BYTES:
                        raise HTTPException(413, f"{name} is larger than {MOST_BYTES // 2**20} MB, the most that the page takes. "
                                            "Use the command: steepest lab FILE")  # fmt: skip
                    await asyncio.to_thread(file.write, part)
        except BaseException as error:
            place.unlink(missing_ok=True)
            if isinstance(error, ClientDisconnect):
                return Response(status_code=400)
            raise
        if not size:
            place.unlink(missing_ok=True)
            raise HTTPException(400, f"{name} is empty.")
        workspace.uploads[identifier] = name
        return JSONResponse({"data": f"upload:{identifier}", "name": name})


def application(lab: Lab) -> Starlette:
    """The server of a lab."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        lab.pool.start()
        try:
            yield
        finally:
            lab.pool.close()
            lab.workspaces.close()

    async def said(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, status_code=error.status_code)

    routes = [
        Route("/", lab.enter),
        Route("/api/state", lab.first_state),
        Route("/api/ask", lab.ask, methods=["POST"]),
        Route("/api/stop", lab.stop, methods=["POST"]),
        Route("/api/class", lab.classroom, methods=["POST"]),
        Route("/api/upload", lab.upload, methods=["POST"]),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=lab.hosts()),
        Middleware(_Headers),
    ]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan, exception_handlers={HTTPException: said})


class _Headers:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await self.app(scope, receive, sent if scope["type"] == "http" else send)


async def _question(request: Request) -> dict[str, Any]:
    """The JSON object of a question."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(415, "A question is JSON.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_QUESTION:
            raise HTTPException(413, "That question is too long.")
    try:
        found = json.loads(body)
    except ValueError:
        raise HTTPException(400, "That is no JSON.") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "A question is an object.")
    return found


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _refused() -> Response:
    text = "<!doctype html><title>Steepest lab</title><p>Open the link that <code>steepest lab</code> printed, with its token."
    return Response(text, status_code=403, media_type="text/html")


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def addresses(host: str) -> list[str]:
    """What a browser may write for a host: itself; for one that stands for all addresses, this machine's, the best first.

    >>> addresses("192.168.1.7")
    ['192.168.1.7']
    """
    if host not in ("", "0.0.0.0", "::"):
        return [host]
    found = []
    family, outside = (socket.AF_INET6, "2001:db8::1") if host == "::" else (socket.AF_INET, "192.0.2.1")
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect((outside, 9))  # sends nothing: it is only asked which of our addresses would be used
        found.append(asked.getsockname()[0])
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        found += [entry[4][0] for entry in socket.getaddrinfo(name, None, family)]
    loopback = "::1" if host == "::" else "127.0.0.1"
    return [*dict.fromkeys(str(one) for one in found if not str(one).startswith("127.")), loopback, name]


def run(
    first: Mapping[str, Any], host: str = "127.0.0.1", port: int = 0, browser: bool = True, table: str | None = None,
    classroom: bool = False,
) -> None:  # fmt: skip
    """Serve until Ctrl-C. table: the rows that the page calls `given`. classroom: for many, one of whom teaches.

    Raises:
        RunError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, port))
            taken.listen(128)
        except OSError as error:
            why = error.strerror or str(error)
            raise RunError(
                f"The lab cannot listen on {host}, port {port}: {why}. Choose another --port or --host."
            ) from None
        teacher = secrets.token_urlsafe(24) if classroom else None
        lab = Lab(secrets.token_urlsafe(24), host, taken.getsockname()[1], first, table, teacher)
        print(lab.link, flush=True)
        if teacher is not None:
            print(f"For the teacher: {lab.link.replace(lab.token, teacher)}", flush=True)
        print("Ctrl-C ends the lab.", file=sys.stderr)
        how = uvicorn.Config(
            application(lab),
            log_level="warning",
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
        )
        server = uvicorn.Server(how)
        if browser:
            webbrowser.open(lab.link.replace(lab.token, teacher or lab.token))
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve(sockets=[taken]))
