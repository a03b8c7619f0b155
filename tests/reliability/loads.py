# SPDX-License-Identifier: MIT
"""Clients in processes of their own, who tell what they were answered."""

import collections
import contextlib
import mmap
import os
import signal
import time
import traceback
from multiprocessing import connection, get_context

import jwts
import traffic
from hosts import ANSWERS_WITHOUT
from link import TIMEOUT_S, Lost
from traffic import KINDS, Excused, Unexpected

REPORT_S = 0.5
LONGEST = 2             # as many limits for one answer may pass until a client comes to its end
SHOWN = 20              # unexpected answers that each may show
OVER, PAUSED, BROKEN = range(3)
FORK = get_context("fork")


class Flags:
    """What all processes look at."""

    def __init__(self):
        self.memory = mmap.mmap(-1, 3)

    def set(self, flag, value=1):
        self.memory[flag] = value

    def get(self, flag):
        return bool(self.memory[flag])


def make_keys():
    """Those of the clients, before there are processes that each would make their own."""
    for name in ("ec", "ed", "rsa", jwts.DPOP_KEY):
        jwts.key(name)


class Load:
    """One client, and what it has told so far."""

    def __init__(self, name, front, place, flags, number, settle=lambda client: None):
        self.name = name
        self.flags = flags
        self.requests = 0
        self.outcomes = collections.Counter()
        self.problems = []
        self.is_paused = False
        self.is_over = False
        self.pipe, self.own_end = FORK.Pipe(duplex=False)
        self.client = traffic.Client(traffic.link_to(front), place.certificate, lambda: flags.get(BROKEN),
                                     ANSWERS_WITHOUT.get(name), f"{name} {number}")
        settle(self.client)
        self.process = FORK.Process(target=self.run)
        self.process.start()
        self.own_end.close()

    # In the process

    def run(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.nice(5)      # who operates and who serves go first
        try:
            due_s = 0
            while not self.flags.get(OVER):
                self.step()
                if time.monotonic() >= due_s:
                    due_s = time.monotonic() + REPORT_S
                    self.tell()
        except Exception:   # pylint: disable=broad-except
            self.note("unexpected", traceback.format_exc())
        self.client.link.close()
        self.tell()
        os._exit(0)

    def step(self):
        if self.flags.get(PAUSED):
            self.client.link.close()
            self.is_paused = True
            time.sleep(0.05)
            return
        self.is_paused = False
        name = self.client.choose()
        self.client.begin()
        outcome = "as it must be"
        try:
            KINDS[name].run(self.client)
        except Excused:
            outcome = "excused"
        except (Lost, Unexpected) as problem:
            outcome = "lost" if isinstance(problem, Lost) else "unexpected"
            self.note(name, problem)
        self.outcomes[name, outcome] += 1

    def note(self, name, problem):
        if len(self.problems) < SHOWN:
            now = time.strftime("%H:%M:%S")
            self.problems.append(f"{now} {self.name}, {name}: {type(problem).__name__}: {problem}")

    def tell(self):
        self.own_end.send((self.client.count, self.outcomes, self.problems, self.is_paused))

    # Outside

    def listen(self):
        """Take the next that it has to say."""
        try:
            self.requests, self.outcomes, self.problems, self.is_paused = self.pipe.recv()
        except EOFError:
            self.is_over = True

    def counted(self, *wanted):
        return sum(count for (_, outcome), count in self.outcomes.items() if outcome in wanted)

    def unexpected(self):
        """What went wrong, and be it that the client itself did."""
        return max(len(self.problems), self.counted("lost", "unexpected"))

    def is_well(self):
        """Has it come to its end, and not been ended? To be asked after stop()."""
        return self.is_over and self.process.exitcode == 0

    def stop(self):
        with contextlib.suppress(AttributeError):
            if not self.is_over:
                self.process.kill()
            self.process.join()


def finish(loads, flags):
    """Let each end what it has begun; a request that is never answered takes longest."""
    flags.set(OVER)
    listen(loads, LONGEST * TIMEOUT_S)
    for load in loads:
        load.stop()


def listen(loads, seconds):
    """To all of them, for so long, or until there is nobody left."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        pipes = {load.pipe: load for load in loads if not load.is_over}
        if not pipes:
            return
        for pipe in connection.wait(pipes, left):
            pipes[pipe].listen()
