# SPDX-License-Identifier: MIT
"""One server of the program while a block runs."""

import contextlib
import os
import signal
import subprocess

from processes import fields_of
from test_process import Server


def start(bench, place, workers, before=()):
    """The program with its own socket, and so many workers."""
    address = place / "oauth2.sock"
    return Server([*before, str(bench.build / "oauth2.fcgi"), "--config", str(place / "oauth2.yaml"), "--listen",
                   str(address), "--workers", str(workers)], place, address, stdin=subprocess.DEVNULL).ready()


def living(server):
    """Workers that have not ended; the kernel names the others, too, until the supervisor has taken note."""
    return [pid for pid in server.children() if fields_of(pid)[:1] not in ([], ["Z"])]


def kill(pid):
    """Whether there was such a process."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def end(server):
    """What a shell or unshare runs does not end with it."""
    if server.popen.poll() is not None:
        return
    for pid in [*server.children(), server.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    try:
        server.popen.wait(10)
    except subprocess.TimeoutExpired:
        server.popen.kill()
        server.popen.wait()


@contextlib.contextmanager
def running(bench, state=None, workers=4, place=None, before=()):
    server = start(bench, place or bench.place(state), workers, before)
    try:
        yield server
    finally:
        end(server)
