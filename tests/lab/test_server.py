"""The lab's server: who is let in, what is answered, and that nobody harms anybody else."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest
import torch

import steepest as st
from steepest.cli.commands import main
from steepest.lab import server as server_module
from steepest.lab.server import Lab, application
from steepest.lab.tasks import Uploads, perform
from steepest.lab.workers import Failed, Pool, Stopped

SGD = {"data": "sample:line", "settings": {"optimizer": "sgd", "lr": 0.3, "epochs": 20, "tol": 0.0}}
LONG = {"data": "sample:digits", "settings": {"model": "mlp:200,200", "epochs": 100_000, "tol": 0.0}}


class Answered:
    """A pool that performs its jobs at once, in this process."""

    def __init__(self, uploads):
        self.uploads = uploads

    def start(self):
        pass

    def close(self):
        pass

    async def run(self, owner, job):
        return json.dumps(perform(job, self.uploads), allow_nan=False).encode()


@asynccontextmanager
async def opened(lab):
    lab.pool = Answered(Uploads(lab.workspaces.folder, lab.table))
    server = application(lab)
    async with server.router.lifespan_context(server):
        yield server


def visitor(server, **more):
    return httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://127.0.0.1:8000", **more)


def run(question):
    """Run an asynchronous test on a lab of its own."""

    async def whole():
        lab = Lab("secret", "127.0.0.1", 8000, SGD)
        async with opened(lab) as server, visitor(server) as client:
            await question(lab, server, client)

    asyncio.run(whole())


async def entered(client):
    answer = await client.get("/", params={"token": "secret"})
    assert answer.status_code == 303
    return client


def test_a_class_has_a_teacher_who_sends_and_sees():
    async def whole():
        lab = Lab("secret", "127.0.0.1", 8000, SGD, teacher="taught")
        async with opened(lab) as server, visitor(server) as student, visitor(server) as teacher:
            await entered(student)
            assert (await teacher.get("/", params={"token": "taught"})).status_code == 303
            first = (await student.post("/api/class", json={"name": "Ada <b>"})).json()
            assert first == {"number": 0, "sent": None}
            await student.post("/api/ask", json={"task": "descend", "experiment": SGD})
            assert (await student.post("/api/class", json={"send": SGD})).json()["number"] == 0  # students send nothing
            seen = (await teacher.post("/api/class", json={"send": SGD})).json()
            assert seen["students"][0]["name"] == "Ada <b>"
            assert seen["students"][0]["optimizer"] == "sgd"
            got = (await student.post("/api/class", json={})).json()
            assert got["number"] == 1
            assert got["sent"]["settings"] == SGD["settings"]
            assert "students" not in got

    asyncio.run(whole())


def test_a_page_goes_on_with_the_next_lab_and_no_cookie_can_be_made_up():
    cookies = {}

    async def first(lab, server, client):
        await entered(client)
        cookies.update(client.cookies)

    async def second(lab, server, client):
        client.cookies.update(cookies)
        assert (await client.get("/api/state")).status_code == 200
        for name, value in cookies.items():
            identifier, _, signature = value.partition(".")
            for made_up in (
                f"{'0' * 32}.{signature}",
                identifier,
                f"{identifier}.",
                f"{identifier}.{signature[:-1]}0",
                "",
            ):
                client.cookies.clear()
                client.cookies.set(name, made_up)
                if made_up != value:
                    assert (await client.get("/api/state")).status_code == 403

    run(first)
    run(second)


def numbers(packed):
    ((kind, text), _) = packed.items()
    return np.frombuffer(base64.b64decode(text), dtype=f"<{kind}").reshape(packed["shape"])


def test_without_the_token_nothing_is_answered():
    async def question(lab, server, client):
        for path in ("/", "/?token=", "/?token=wrong"):
            assert (await client.get(path)).status_code == 403
        assert (await client.get("/api/state")).status_code == 403
        assert (await client.post("/api/ask", json={"task": "descend", "experiment": SGD})).status_code == 403
        assert (await client.post("/api/upload", content=b"a,b\n1,2\n")).status_code == 403

    run(question)


def test_the_token_leaves_the_address_and_the_cookie_is_no_script_s():
    async def question(lab, server, client):
        answer = await client.get("/", params={"token": "secret"})
        assert answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "secret" not in cookie
        page = await client.get("/")
        assert page.status_code == 200
        assert "secret" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]

    run(question)


def test_other_hosts_and_other_sites_are_refused():
    async def question(lab, server, client):
        await entered(client)
        assert (await client.get("/", headers={"host": "evil.example"})).status_code == 400
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
            answer = await client.post("/api/ask", json={"task": "descend", "experiment": SGD}, headers=headers)
            assert answer.status_code == 403
        form = await client.post("/api/ask", data={"task": "descend"})
        assert form.status_code == 415

    run(question)


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", ""])
def test_the_link_can_be_opened(host):
    """A host that stands for all addresses of the machine is none that a browser can be given."""
    with socket.create_server((host, 0)) as listening:
        lab = Lab("secret", host, listening.getsockname()[1], SGD)
        try:
            found = httpx.URL(lab.link)
            assert found.host not in ("0.0.0.0", "")
            assert found.host in lab.hosts()
            socket.create_connection((found.host, found.port), timeout=10).close()
        finally:
            lab.workspaces.close()


def test_a_descent_is_the_one_that_fit_makes():
    async def question(lab, server, client):
        await entered(client)
        answer = (await client.post("/api/ask", json={"task": "descend", "experiment": SGD})).json()
        fit = st.fit("sample:line", **SGD["settings"])
        theta = numbers(answer["frames"]["theta"])
        assert np.array_equal(theta, fit.trace.theta)
        assert np.array_equal(numbers(answer["exact"]), fit.exact.theta)
        gradient, change = numbers(answer["frames"]["gradient"]), numbers(answer["frames"]["change"])
        assert np.allclose(change[:-1], -0.3 * gradient[:-1], rtol=1e-12, atol=1e-14)  # the update as it is written out
        assert np.allclose(gradient[4], fit.objective(theta[4])[1], rtol=1e-12)
        digits = numbers(answer["frames"]["digits"])
        assert np.allclose(digits[5], -np.log10(np.abs(theta[5] / fit.exact.theta - 1)), rtol=1e-6)

    run(question)


def test_each_task_answers_with_plain_json():
    async def question(lab, server, client):
        await entered(client)
        for task in ("diagnose", "rates", "script", "notebook", "graph", "report"):
            answer = (await client.post("/api/ask", json={"task": task, "experiment": SGD})).json()
            assert "error" not in answer, (task, answer)
        rates = (await client.post("/api/ask", json={"task": "rates", "experiment": SGD})).json()
        design = np.column_stack([np.ones(100), np.asarray(st.synthetic.line().x).reshape(100, -1)[:, -1]])
        steepest = np.linalg.eigvalsh(2 * design.T @ design / 100)[-1]
        assert rates["largest"] == pytest.approx(2 / steepest, rel=1e-12)
        swept = (
            await client.post("/api/ask", json={"task": "sweep", "experiment": SGD, "lr": [0.01, 0.1, 5.0]})
        ).json()
        assert [one["status"] for one in swept["runs"]][-1] == "diverged"
        assert (await client.post("/api/ask", json={"task": "rm", "experiment": SGD})).status_code == 404
        notebook = json.loads(
            (await client.post("/api/ask", json={"task": "notebook", "experiment": SGD})).json()["text"]
        )
        assert notebook["nbformat"] == 4
        assert any("torch" in "".join(cell["source"]) for cell in notebook["cells"])

    run(question)


def test_an_upload_is_its_visitor_s_alone_and_goes_with_the_lab():
    places = []

    async def question(lab, server, client):
        await entered(client)
        answer = (
            await client.post("/api/upload", params={"name": "../../a b.csv"}, content=b"x,y\n1,2\n2,4\n3,7\n")
        ).json()
        assert answer["name"] == "a b.csv"
        experiment = {"data": answer["data"], "settings": {"target": "y"}}
        mine = (await client.post("/api/ask", json={"task": "descend", "experiment": experiment})).json()
        slope, _ = np.polyfit([1, 2, 3], [2, 4, 7], 1)
        assert mine["summary"]["params"]["x"] == pytest.approx(slope, rel=1e-12)
        async with visitor(server) as other:
            await entered(other)
            theirs = (await other.post("/api/ask", json={"task": "descend", "experiment": experiment})).json()
            assert "not here" in theirs["error"]
        assert (await client.post("/api/upload", params={"name": "b.csv"}, content=b"")).status_code == 400
        places.extend(lab.workspaces.folder.iterdir())
        assert len(places) == 1
        assert places[0].suffix == ".csv"

    run(question)
    assert not places[0].parent.exists()


def test_an_upload_is_called_by_its_own_name():
    async def question(lab, server, client):
        await entered(client)
        sent = await client.post("/api/upload", params={"name": "my <b>'houses'.csv"}, content=b"x,y\n1,2\n,3\n4,5\n")
        experiment = {"data": sent.json()["data"], "settings": {"target": "y"}}
        said = (await client.post("/api/ask", json={"task": "descend", "experiment": experiment})).json()["error"]
        assert "my _b__houses_.csv" in said
        assert str(lab.workspaces.folder) not in said

    run(question)


def test_a_port_that_cannot_be_had_is_told_in_a_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["lab", "--no-browser", "--port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err
    assert main(["lab", "--no-browser", "--port", "99999"]) == 2
    assert "65535" in capsys.readouterr().err


def test_an_upload_too_large_is_refused_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr(server_module, "MOST_BYTES", 1_000)

    async def question(lab, server, client):
        await entered(client)
        answer = await client.post("/api/upload", params={"name": "big.csv"}, content=b"x" * 5_000)
        assert answer.status_code == 413
        assert "big.csv" in answer.json()["error"]
        assert list(lab.workspaces.folder.iterdir()) == []

    run(question)


def test_a_descent_that_takes_too_long_or_too_much_memory_is_ended(tmp_path):
    wide = {"data": "sample:digits", "settings": {"model": "mlp:9000,9000", "epochs": 1}}

    async def whole():
        pool = Pool(1, tmp_path, seconds=1.0, memory=2 * 2**30)
        pool.start()
        try:
            with pytest.raises(Failed, match="longer than 1 seconds"):
                await asyncio.wait_for(pool.run("one", {"task": "descend", "experiment": LONG}), 120)
            pool.seconds = 60.0
            answer = json.loads(await asyncio.wait_for(pool.run("one", {"task": "descend", "experiment": wide}), 120))
            assert "memory" in answer["error"]
        finally:
            pool.close()
            await asyncio.sleep(0.1)

    asyncio.run(whole())


@pytest.mark.parametrize("given", ["arrays", pytest.param("sample", marks=pytest.mark.soak)])
def test_a_fit_opens_the_lab_on_its_rows_and_settings(given):
    random = np.random.default_rng(3)
    x = random.normal(size=(30, 2))
    settings = {"optimizer": "sgd", "lr": 0.1, "epochs": 7}
    fit = st.fit(x, x @ [1.0, 2.0] + 3.0, **settings) if given == "arrays" else st.fit("sample:line", **settings)
    opened = fit.lab(browser=False)
    try:
        assert opened.link in repr(opened)
        with httpx.Client(base_url=opened.link.partition("/?")[0], timeout=90) as client:
            client.get(opened.link, follow_redirects=True)
            first = client.get("/api/state").json()["first"]
            assert {name: first["settings"][name] for name in settings} == settings
            answer = client.post("/api/ask", json={"task": "descend", "experiment": first}).json()
            assert np.allclose(numbers(answer["frames"]["theta"])[-1], fit.theta, rtol=1e-12)
    finally:
        opened.close()
    with pytest.raises(httpx.HTTPError):
        httpx.get(opened.link)


def test_a_model_of_one_s_own_has_no_lab():
    fit = st.fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 2.5], model=torch.nn.Linear(1, 1), epochs=2)
    with pytest.raises(st.FitError, match="model of one's own"):
        fit.lab(browser=False)


def test_what_is_wrong_is_said_in_words():
    async def question(lab, server, client):
        await entered(client)
        answer = (await client.post("/api/upload", params={"name": "bad.csv"}, content=b"a,b\nx,y\n")).json()
        experiment = {"data": answer["data"], "settings": {"target": "nothing"}}
        said = (await client.post("/api/ask", json={"task": "descend", "experiment": experiment})).json()
        assert "nothing" in said["error"]
        assert "Traceback" not in said["error"]
        assert (
            await client.post("/api/ask", content=b"{", headers={"content-type": "application/json"})
        ).status_code == 400
        assert (await client.post("/api/ask", json=[1])).status_code == 400

    run(question)


def test_stop_ends_a_descent_and_a_dead_worker_is_replaced(tmp_path):
    async def whole():
        pool = Pool(2, tmp_path)
        pool.start()
        try:
            waiting = asyncio.create_task(pool.run("one", {"task": "descend", "experiment": LONG}))
            while not any(worker.job for worker in pool.workers):
                await asyncio.sleep(0.05)
            other = asyncio.create_task(pool.run("two", {"task": "descend", "experiment": SGD}))
            clock = asyncio.get_running_loop().time
            before = clock()
            pool.stop("one")
            with pytest.raises(Stopped):
                await waiting
            assert clock() - before < 0.3
            assert "summary" in json.loads(await asyncio.wait_for(other, 60))  # nobody else noticed
            pool.each = 2
            waiting = asyncio.create_task(pool.run("one", {"task": "descend", "experiment": LONG}))
            while not any(worker.job for worker in pool.workers):
                await asyncio.sleep(0.05)
            newer = asyncio.create_task(pool.run("one", {"task": "descend", "experiment": SGD}))
            assert "summary" in json.loads(await asyncio.wait_for(newer, 60))  # it does not wait for the older one
            with pytest.raises(Stopped):
                await asyncio.wait_for(waiting, 10)  # which nobody asks for any longer
            waiting = asyncio.create_task(pool.run("one", {"task": "descend", "experiment": LONG}))
            while not (busy := [worker for worker in pool.workers if worker.job]):
                await asyncio.sleep(0.05)
            os.kill(busy[0].process.pid, signal.SIGKILL)
            with pytest.raises(Exception, match="died"):
                await asyncio.wait_for(waiting, 60)
            assert "summary" in json.loads(
                await asyncio.wait_for(pool.run("one", {"task": "descend", "experiment": SGD}), 60)
            )
        finally:
            pool.close()
            await asyncio.sleep(0.1)

    asyncio.run(whole())
