# SPDX-License-Identifier: MIT
"""The shim from outside: what is to fail, what was found, and programs that run under it."""

import contextlib
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import time

CLASSES = ["none", "memory", "crypto", "files", "system", "store", "partial", "interrupt"]
FIELDS = ["armed", "n", "onwards", "variant", "fired", "idle", "waiting", "blocks", "fds", "lost", "lost_at",
          "left", "broken", "trace", "survey"]
NAME_SIZE = 48
NAMES = 8 * (len(FIELDS) + len(CLASSES))
HEAD = NAMES + 2 * NAME_SIZE
NAMES_AT = {"name": NAMES, "called": NAMES + NAME_SIZE}
PATHS = 131072
SIZE = HEAD + 8 * PATHS
LIMIT_S = 20    # after which something hangs


class Hang(Exception):
    """Something did not end."""


class Control:
    """The file that the shim has mapped; its fields are attributes."""

    def __init__(self, path):
        self.__dict__["path"] = path
        with open(path, "w+b") as file:
            file.truncate(SIZE)
            self.__dict__["map"] = mmap.mmap(file.fileno(), SIZE)
        self.__dict__["at"] = {name: 8 * place for place, name in enumerate(FIELDS)}

    def __getattr__(self, name):
        if name in NAMES_AT:
            at = NAMES_AT[name]
            return self.map[at:at + NAME_SIZE].split(b"\0")[0].decode()
        return struct.unpack_from("q", self.map, self.at[name])[0]

    def __setattr__(self, name, value):
        if name in NAMES_AT:
            at = NAMES_AT[name]
            self.map[at:at + NAME_SIZE] = value.encode().ljust(NAME_SIZE, b"\0")
            return
        struct.pack_into("q", self.map, self.at[name], value)

    @property
    def calls(self):
        """How many calls there were of each class since the last arm()."""
        counts = struct.unpack_from(f"{len(CLASSES)}q", self.map, 8 * len(FIELDS))
        return dict(zip(CLASSES, counts))

    @property
    def call(self):
        """What failed, and for which function of a library."""
        return f"{self.name} of {self.called}" if self.called else self.name

    def failed(self):
        """What failed, for restore()."""
        return self.fired, self.name, self.called

    def restore(self, failed):
        """After more runs, what failed in the first."""
        self.fired, self.name, self.called = failed

    def paths(self, count):
        """Of a survey: for each call a number of the path that it came by."""
        return struct.unpack_from(f"{min(count, PATHS)}Q", self.map, HEAD)

    def arm(self, plan=None, n=0):
        """Begin to count; the n-th call of the plan's class fails."""
        self.armed = 0
        self.map[8 * len(FIELDS):HEAD] = bytes(HEAD - 8 * len(FIELDS))
        for name in ("fired", "lost", "lost_at", "left", "broken"):
            setattr(self, name, 0)
        if plan is not None:
            self.n, self.onwards, self.variant = n, plan.onwards, plan.variant
            self.armed = CLASSES.index(plan.kind)

    def disarm(self):
        """Nothing fails any more; how many calls there were until now is remembered."""
        self.__dict__["counted"] = self.calls[CLASSES[self.armed]]
        self.armed = 0

    def close(self):
        self.map.close()


class Server:
    """A program that was started once, and forks for each run."""

    def __init__(self, program, library, control, rsa=False):
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LD_PRELOAD": str(library),
                       "TORTURE_CONTROL": str(control.path), "TORTURE_SERVER": str(other.fileno())}
        if rsa:
            environment["TORTURE_RSA"] = "1"
        self.popen = subprocess.Popen([program], env=environment, pass_fds=[other.fileno()],
                                      stdin=subprocess.DEVNULL)
        other.close()
        self.pid = None

    def _number(self, limit_s):
        if not select.select([self.socket], [], [], limit_s)[0]:
            raise Hang()
        data = self.socket.recv(8)
        if len(data) != 8:
            raise RuntimeError("the shim's server ended")
        return struct.unpack("q", data)[0]

    def start(self, arguments, directory, files, environment=(), listen=None):
        """Begin a run; files: what 0, 1 and 2 are."""
        fields = ["d" + str(directory)]
        fields += [f"{number}{path}" for number, path in files.items()]
        fields += ["s" + str(listen)] if listen else []
        fields += ["e" + text for text in environment] + ["a" + text for text in arguments]
        self.socket.send(b"".join(field.encode() + b"\0" for field in fields))
        self.pid = self._number(LIMIT_S)

    def wait(self, limit_s=LIMIT_S):
        """The exit status of the run, or minus the signal that ended it."""
        try:
            status = self._number(limit_s)
        except Hang:
            os.kill(self.pid, signal.SIGKILL)
            self._number(LIMIT_S)
            self.pid = None
            raise
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def ended(self):
        """Has the run ended by itself?"""
        return self.pid is None or bool(select.select([self.socket], [], [], 0)[0])

    def kill(self):
        """Nothing of a run is left after that."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def stop(self, limit_s=LIMIT_S):
        """Ask it to end; its exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait(limit_s)

    def close(self):
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.socket.close()
        self.popen.wait()


def wait_idle(control, server, limit_s=LIMIT_S):
    """Until the process waits for events, having looked for some since now; False if it ended."""
    deadline = time.monotonic() + limit_s
    while not server.ended():
        if control.waiting == 1:
            return True
        if time.monotonic() > deadline:
            raise Hang()
        time.sleep(0.0001)
    return False
