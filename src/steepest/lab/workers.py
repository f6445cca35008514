"""Descents are made in processes of their own, each with limits, so that one that hangs, grows or dies harms nobody else.

    pool = Pool(2, folder)
    pool.start()
    answer = await pool.run("somebody", {"task": "descend", "experiment": {…}})
    pool.stop("somebody")                what they wait for ends at once, with Stopped

A worker is spawned, loads what it needs, and then waits for jobs; jobs and answers are JSON. A job is ended by ending its
worker, for which another is started at once. Owners take turns, and each has at most so many jobs at a time; a job that the same
owner asked for again, with other settings, is ended where it does not end soon by itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from collections import OrderedDict, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

SECONDS = 60.0
MEMORY = 4 * 2**30
MOST_WAITING = 4  # jobs of one owner
OUTDATED = 1.0  # seconds that a job has left once its owner asks for the same task anew
WARM_UP = {"task": "descend", "experiment": {"data": "sample:line", "settings": {"lr": 0.1}}}


class Stopped(Exception):
    """The job was stopped by its owner."""


class Failed(Exception):
    """The job was ended: it took too long, or its worker died. The text says which."""


def _work(pipe: Connection, folder: str, table: str | None, memory: int) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the server, which ends its workers
    _limit(memory)
    import torch
    from threadpoolctl import threadpool_limits

    from steepest.lab.tasks import Uploads, perform

    torch.set_num_threads(1)
    uploads = Uploads(Path(folder), table)
    perform(WARM_UP, uploads)
    threadpool_limits(
        1
    )  # of all libraries loaded: threads that wait for one another take longer than such small descents
    pipe.send_bytes(b"ready")
    with suppress(EOFError, OSError):
        while True:
            job = json.loads(pipe.recv_bytes())
            pipe.send_bytes(json.dumps(perform(job, uploads), allow_nan=False).encode())


def _limit(memory: int) -> None:
    """At most so many bytes of data, where the system can limit them."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


@dataclass(eq=False)
class _Job:
    owner: str
    job: Mapping[str, Any]
    answer: asyncio.Future[bytes]


@dataclass(eq=False)
class _Worker:
    """A process, the pipe to it, and the job that it has."""

    process: Any
    pipe: Connection
    ready: asyncio.Future[None]
    job: _Job | None = None

    def end(self) -> None:
        """End it at once; the pipe is closed by whoever listens to it."""
        self.process.kill()


@dataclass
class Pool:
    """So many workers.

    folder: where uploads are. table: the rows called `given`. seconds and memory: what a job may take. each: jobs of one owner at
    a time, where nobody else waits.
    """

    size: int
    folder: Path
    table: str | None = None
    seconds: float = SECONDS
    memory: int = MEMORY
    each: int = 1
    waiting: OrderedDict[str, deque[_Job]] = field(default_factory=OrderedDict, init=False)
    workers: list[_Worker] = field(default_factory=list, init=False)
    tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    closed: bool = field(default=False, init=False)
    listeners: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64), init=False)

    def start(self) -> None:
        """Start the workers; jobs wait until one is ready."""
        for _ in range(self.size):
            self._hire()

    async def run(self, owner: str, job: Mapping[str, Any]) -> bytes:
        """The answer to a job, as JSON.

        Raises:
            Stopped: its owner stopped it, or asked for the same task anew. Failed: it took too long, or its worker died.
        """
        mine = self.waiting.setdefault(owner, deque())
        for old in [one for one in mine if one.job["task"] == job["task"]]:  # the newer question counts
            mine.remove(old)
            _settle(old, Stopped())
        for worker in self._workers_of(owner):
            if worker.job is not None and worker.job.job["task"] == job["task"]:
                asyncio.get_running_loop().call_later(OUTDATED, self._expire, worker, worker.job, Stopped())
        if len(mine) >= MOST_WAITING:
            raise Failed("Too many questions at once. Wait for an answer.")
        given = _Job(owner, job, asyncio.get_running_loop().create_future())
        mine.append(given)
        self._deal()
        return await given.answer

    def stop(self, owner: str) -> None:
        """End what an owner waits for."""
        for job in self.waiting.pop(owner, ()):
            _settle(job, Stopped())
        for worker in self._workers_of(owner):
            self._end(worker, Stopped())

    def close(self) -> None:
        """End all workers."""
        self.closed = True
        for worker in self.workers:
            if worker.job is not None:
                _settle(worker.job, Failed("The lab was closed."))
            worker.end()
        self.workers.clear()
        self.listeners.shutdown(wait=False)

    def _hire(self) -> None:
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(there, str(self.folder), self.table, self.memory), daemon=True)
        process.start()
        there.close()
        worker = _Worker(process, here, asyncio.get_running_loop().create_future())
        self.workers.append(worker)
        task = asyncio.get_running_loop().create_task(self._look_after(worker))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _look_after(self, worker: _Worker) -> None:
        """Wait for what a worker says: first that it is ready, then its answers; and for its end."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                said = await loop.run_in_executor(self.listeners, worker.pipe.recv_bytes)
                if not worker.ready.done():
                    worker.ready.set_result(None)
                elif worker.job is not None:
                    job, worker.job = worker.job, None
                    if not job.answer.done():
                        job.answer.set_result(said)
                self._deal()
        except (EOFError, OSError):
            if worker in self.workers and not self.closed:
                self._end(
                    worker, Failed("The process that computed this has died. The experiment is unharmed: try again.")
                )
        finally:
            worker.pipe.close()

    def _workers_of(self, owner: str) -> list[_Worker]:
        return [one for one in self.workers if one.job is not None and one.job.owner == owner]

    def _next(self) -> str | None:
        """Whose turn it is: of those with the fewest jobs at work, who has waited longest."""
        busy = {owner: len(self._workers_of(owner)) for owner, jobs in self.waiting.items() if jobs}
        owner = min(busy, key=busy.__getitem__, default=None)
        return owner if owner is not None and busy[owner] < self.each else None

    def _deal(self) -> None:
        """Give waiting jobs to idle workers, owners in turn."""
        for worker in self.workers:
            if worker.job is not None or not worker.ready.done():
                continue
            owner = self._next()
            if owner is None:
                return
            jobs = self.waiting.pop(owner)
            worker.job = jobs.popleft()
            if jobs:
                self.waiting[owner] = jobs  # behind all others
            with suppress(OSError):  # it has just died: whoever looks after it says so
                worker.pipe.send_bytes(json.dumps(worker.job.job).encode())
            late = Failed(f"This takes longer than {self.seconds:g} seconds. Take fewer steps or fewer rows.")
            asyncio.get_running_loop().call_later(self.seconds, self._expire, worker, worker.job, late)

    def _expire(self, worker: _Worker, job: _Job, why: Exception) -> None:
        if worker.job is job:
            self._end(worker, why)

    def _end(self, worker: _Worker, why: Exception) -> None:
        """End a worker and what it does, and start another."""
        if worker not in self.workers:
            return
        self.workers.remove(worker)
        if worker.job is not None:
            _settle(worker.job, why)
        worker.end()
        if not worker.ready.done():
            worker.ready.cancel()
        if not self.closed:
            self._hire()


def _settle(job: _Job, why: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(why)


def cores() -> int:
    """How many workers a machine is good for."""
    return max(2, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2))
