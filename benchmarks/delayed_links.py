"""Network namespaces joined by links with a delay and a bandwidth, as root on Linux.

    with joined(4, delay=1e-3, rate="100mbit") as before:   what stands before a command to run it in each of four namespaces
        …                                                   10.9.0.1, 10.9.0.2, … are their addresses

Bandwidth is that of the kernel's token bucket (`tc … tbf`) on what each of them sends. Delay is made here, as not every kernel
has `netem`: each namespace has a TAP device, and a process between them hands on every frame so much later than it came.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import select
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NETWORK = 0x40000000
"""CLONE_NEWNET, of setns(2)."""

TUNSETIFF, TAP, PLAIN = 0x400454CA, 0x0002, 0x1000
FRAME = 65_536


def missing() -> str:
    """Why there can be no such links here; nothing where they can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "namespaces are made by root alone"
    if gone := [name for name in ("ip", "tc") if shutil.which(name) is None]:
        return f"there is no {gone[0]} (iproute2)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "there is no /dev/net/tun"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this system makes no network namespaces"


@contextmanager
def joined(count: int, delay: float = 0.0, rate: str | None = None) -> Iterator[list[list[str]]]:
    """What stands before a command in each of so many namespaces. delay: seconds from one to another. rate: as `tc` takes it."""
    names = [f"steepest{i}" for i in range(count)]
    bridge, hander = "steepest-bridge", 0
    _remove(names, bridge)
    try:
        for name in names:
            _do("ip netns add", name)
            _do("ip -n", name, "link set lo up")
        if delay:
            devices = [_tap(name) for name in names]
            hander = os.fork()
            if hander == 0:
                _hand_on(devices, delay)
            for device in devices:
                os.close(device)
        else:
            _do("ip link add", bridge, "type bridge")
            _do("ip link set", bridge, "up")
            for name in names:
                _do(f"ip link add {name}-out type veth peer name link0 netns {name}")
                _do(f"ip link set {name}-out master {bridge} up")
        for i, name in enumerate(names):
            _do(f"ip -n {name} link set link0 address {_address(i)} up")
            _do(f"ip -n {name} addr add 10.9.0.{i + 1}/24 dev link0")
            if rate is not None:
                _do(f"tc -n {name} qdisc add dev link0 root tbf rate {rate} burst 256k latency 200ms")
        yield [f"ip netns exec {name} env GLOO_SOCKET_IFNAME=link0".split() for name in names]
    finally:
        if hander:
            os.kill(hander, signal.SIGKILL)
            os.waitpid(hander, 0)
        _remove(names, bridge)


def _remove(names: list[str], bridge: str) -> None:
    """What is there of them, of a run that was ended too."""
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)


def _address(i: int) -> str:
    return f"02:00:00:00:00:{i + 1:02x}"


def _tap(name: str) -> int:
    """The end of a new device `link0` of a namespace that this process writes to and reads from."""
    library = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as own, open(f"/run/netns/{name}") as other:
        if library.setns(other.fileno(), NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"link0", TAP | PLAIN))
        finally:
            library.setns(own.fileno(), NETWORK)
    return device


def _hand_on(devices: list[int], delay: float) -> None:
    """Give each frame that comes from one device to the one that it is for, or to all others, so much later; without end."""
    known = {bytes.fromhex(_address(i).replace(":", "")): device for i, device in enumerate(devices)}
    waiting: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        until = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for device in select.select(devices, [], [], until)[0]:
            try:
                while True:
                    frame = os.read(device, FRAME)
                    due = time.monotonic() + delay
                    target = known.get(frame[:6])
                    for other in [one for one in devices if one != device] if target is None else [target]:
                        number += 1
                        heapq.heappush(waiting, (due, number, other, frame))
            except BlockingIOError:
                pass
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, other, frame = heapq.heappop(waiting)
            with suppress(OSError):  # its queue is full, or it is down: a frame is lost, as on any network
                os.write(other, frame)


def _do(*words: str) -> None:
    """A command of the system's."""
    subprocess.run(" ".join(words).split(), check=True)
