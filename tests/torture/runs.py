# SPDX-License-Identifier: MIT
"""One scenario: each call of each class fails once, and what comes of it is judged."""

import dataclasses
import fcntl
import os
import re
import shutil
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import cases
import place
import rawfcgi
import shim
from cases import Wrong, require

AGAIN_S = 3       # within which the next request has to work
OFTEN = 24        # times that a worker's memory has to grow: OpenSSL keeps the last 16 errors
MANY = 300        # calls; of more than these, of those that came by the same path two fail

# {(class, function that failed, or that got no memory): why that may look like the client's fault}
UNTOLD = {
    ("files", "read"): "a CGI program cannot tell a body that it cannot read from one that was cut off",
    ("system", "poll"): "the same",
}

# Calls without which no slow hash can be checked: who asks is told to come again, as oauth2.fcgi(8) says.
HASHING = {("system", "pipe2"), ("system", "fork")}

# Libraries that lose memory of their own when they get no more.
LOSERS = {"libcrypto.so.3", "libcurl.so.4"}

# {(library's function that got no memory, its function that crashed): why it is not ours}
CRASHES = {
}


@dataclass(frozen=True)
class Plan:
    """How calls fail."""

    name: str
    kind: str
    onwards: int = 0
    variant: int = 0


PLANS = [
    Plan("memory", "memory"),
    Plan("starved", "memory", onwards=1),
    Plan("crypto", "crypto"),
    Plan("files", "files"),
    Plan("files'", "files", variant=1),
    Plan("system", "system"),
    Plan("system'", "system", variant=1),
    Plan("store", "store"),
    Plan("store'", "store", variant=1),
    Plan("partial", "partial"),
    Plan("interrupt", "interrupt"),
]


@dataclass
class Report:
    """What came of a scenario."""

    name: str
    failed: dict = field(default_factory=dict)     # {plan: calls that failed}
    findings: list = field(default_factory=list)
    blamed: dict = field(default_factory=dict)     # {library and what it did: where}
    ended: dict = field(default_factory=dict)      # {signal: how many workers it ended}
    seconds: float = 0
    served: int = 0       # the answer was good nevertheless
    refused: int = 0      # another answer
    dropped: int = 0      # none
    mistaken: dict = field(default_factory=dict)   # {call: how many refused as if it were the client's fault}

    def add(self, plan, n, call, text):
        at = f"{plan.name}/{n}" if plan else "no failure"
        self.findings.append(f"{self.name} [{at} {call}]: {text}")


@dataclass
class Choice:
    """What of a scenario is run: every step-th call, or one only."""

    step: int = 1
    plan: str = None
    n: int = None
    trace: int = 0


def numbers(choice, plan, paths):
    """
    Which calls fail.  Of more than MANY that came by the same path, through all functions of all
    libraries, only the first and the last do; of those for memory some MANY of these, evenly, and a
    third of that where all calls that follow fail as well.  In the end more are tried than were
    counted: the caller goes on until none did.
    """
    if choice.n is not None:
        return [choice.n]
    chosen = range(1, len(paths) + 1)
    if len(paths) > MANY:
        places = {}
        for n, path in enumerate(paths, 1):
            places.setdefault(path, []).append(n)
        chosen = sorted({n for same in places.values() for n in (same[0], same[-1])})
        if plan.kind == "memory":
            # What follows the first failure is much the same for its neighbours.
            chosen = chosen[::len(chosen) * (3 if plan.onwards else 1) // MANY or 1]
    # From a different start for each plan, so that short runs do not meet the same calls.
    chosen = list(chosen)[PLANS.index(plan) % choice.step::choice.step]
    return chosen + list(range(len(paths) + 1, len(paths) + 50))


def plans(choice, calls):
    for plan in PLANS:
        if calls.get(plan.kind, 0) > 0 and choice.plan in (None, plan.name):
            yield plan


def survey(control, plan, attempt):
    """For each call of a class a number of its path; one attempt is made for it."""
    control.survey = 1
    try:
        attempt()
    finally:
        control.survey = 0
    return control.paths(control.counted)


class Site:
    """What a scenario has of its own: a directory, a control file, a server of the shim."""

    def __init__(self, options, program, rsa=False):
        self.build, self.material = options.build, options.material
        self.directory = place.temporary()
        self.control = shim.Control(self.directory / "control")
        self.output = self.directory / "output"
        self.output.touch()
        self.redis = None
        self.server = shim.Server(self.build / program, self.build / "torture" / "shim.so", self.control,
                                  rsa)

    def need_redis(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.redis = place.Redis(self.directory, port)
        rawfcgi.wait_until(lambda: _answers(port), 10, "redis-server answers")
        return f"redis://127.0.0.1:{port}/0"

    def close(self):
        try:
            self.server.close()
            if self.redis:
                self.redis.close()
            self.control.close()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def take_output(self):
        """What standard error got since the last time."""
        text = self.output.read_text(errors="replace")
        os.truncate(self.output, 0)
        return text


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def tells_the_truth(report, plan, control, answer):
    """Whatever failed here is not the client's fault."""
    if plan is None or answer.status in (500, 503):
        return
    call = control.called or control.name
    if answer.status == 429 and (plan.kind, call) in HASHING:
        return
    if plan.onwards or (plan.kind, call) not in UNTOLD:
        raise Wrong(f"{call} fails, and the answer is {answer.status}: {answer.body[:100]!r}")
    report.mistaken[call] = report.mistaken.get(call, 0) + 1


def judge(report, case, request, answer, plan, control):
    """An answer to a request while something failed."""
    if answer is None:
        report.dropped += 1
    elif answer.status == case.status:
        if request.verify is not None:
            request.verify(answer)
        report.served += 1
        return True
    else:
        require(answer.status >= 400, f"status {answer.status}: {answer.body[:100]!r}")
        require("error" in cases.document(answer), f"an error without a code: {answer.body[:80]!r}")
        require(b"access_token" not in answer.body, "a token on an error")
        tells_the_truth(report, plan, control, answer)
        report.refused += 1
    return False


def require_unlocked(directory):
    """No lock is held on what the program locks while it works."""
    for path in [directory / "state", *sorted((directory / "keys").glob("*.pem"))]:
        if not path.exists():
            continue
        fd = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Wrong(f"a lock is held on {path.name}") from None
        finally:
            os.close(fd)


class Worker:
    """A FastCGI worker that serves on while calls in it fail."""

    def __init__(self, site, case):
        self.site, self.case = site, case
        self.config = site.directory / "etc"
        self.socket = site.directory / "socket"
        options = dict(case.options or {})
        if case.redis:
            options["state"] = site.need_redis()
        site.material.write(self.config, **options)
        self.start()

    def start(self):
        self.site.server.start(["oauth2.fcgi", "--config", str(self.config / "oauth2.yaml")], "/",
                               {1: "/dev/null", 2: self.site.output}, listen=self.socket)
        rawfcgi.wait_until(self.is_ready, 20, "the worker starts")

    def is_ready(self):
        if self.site.server.ended():
            raise Wrong("the worker does not start: " + self.site.take_output())
        return self.site.control.waiting == 1

    def send(self, stream, limit_s=shim.LIMIT_S):
        try:
            return rawfcgi.exchange(self.socket, stream, limit_s)
        except (ConnectionError, BrokenPipeError):
            return None
        except EOFError:
            raise Wrong("an answer that ends in the middle") from None
        except (socket.timeout, TimeoutError):
            raise shim.Hang() from None

    def idle(self):
        """Wait until the worker is; it must not have ended."""
        if not shim.wait_idle(self.site.control, self.site.server):
            status = self.site.server.wait()
            raise Wrong(f"the worker ended ({status}): {self.site.take_output()[-6000:]}")

    def ask(self, request, status):
        """A request that has to succeed now, at the latest after some tries."""
        deadline = time.monotonic() + AGAIN_S
        while True:
            answer = self.send(request.stream())
            self.idle()
            if answer is not None and answer.status == status:
                if request.verify is not None:
                    request.verify(answer)
                return
            if time.monotonic() > deadline or (answer is not None and answer.status not in (503, 429)):
                got = "none" if answer is None else f"{answer.status} {answer.body[:100]!r}"
                raise Wrong(f"the next request has no good answer, but {got}")
            time.sleep(0.05)

    def good(self):
        self.ask(self.case.make(self.site.material), self.case.status)

    def fail(self, report, plan, n):
        """One request while a call fails, and what must hold after it.  False: none failed."""
        control = self.site.control
        request = self.case.make(self.site.material)
        control.arm(plan, n)
        try:
            answer = self.send(request.stream())
            self.idle()
        finally:
            control.disarm()
        if control.fired == 0:
            return False
        served = judge(report, self.case, request, answer, plan, control)
        if served and self.case.again is not None:
            self.ask(dataclasses.replace(request, verify=None), self.case.again)
        if served and request.then is not None:
            self.ask(request.then, 200)
        self.good()
        require(control.broken == 0, "memory was freed twice, or written behind its end")
        require_unlocked(self.config)
        return True

    def stop(self):
        """The worker ends as it should, and has nothing left."""
        control = self.site.control
        status = self.site.server.stop()
        require(status == 0, f"the worker ends with status {status}")
        require(control.lost == 0, f"{control.lost} blocks of memory are lost at the end")
        require(control.left == 0, f"{control.left} descriptors are left open at the end")


class Account:
    """Blocks and descriptors of a worker: what grows each time is a leak, what grows once a cache."""

    def __init__(self, worker):
        self.worker = worker
        self.blocks, self.fds = self.now()

    def now(self):
        return self.worker.site.control.blocks, self.worker.site.control.fds

    def check(self, plan, n):
        blocks, fds = self.now()
        if blocks <= self.blocks and fds <= self.fds:
            return
        before = (blocks, fds)
        for _ in range(OFTEN):
            if not self.worker.fail(Report(""), plan, n):
                break
            after = self.now()
            if after[0] <= before[0] and after[1] <= before[1]:
                break
            before = after
        else:
            raise Wrong(f"{OFTEN} times, {before[0] - blocks} more blocks of memory and "
                        f"{before[1] - fds} more descriptors")
        self.blocks, self.fds = max(self.blocks, self.now()[0]), max(self.fds, self.now()[1])


def torture_worker(options, case, choice, kind=Worker):
    """All failures of a request to a worker."""
    report = Report(case.name)
    site = Site(options, "oauth2.fcgi")
    try:
        worker = kind(site, case)
        for _ in range(5):
            worker.good()
        site.control.trace = choice.trace
        site.control.arm()
        worker.good()
        account = Account(worker)
        for plan in plans(choice, site.control.calls):
            paths = survey(site.control, plan, lambda: worker.fail(report, plan, 0))
            for n in numbers(choice, plan, paths):
                try:
                    if not worker.fail(report, plan, n):
                        break
                    report.failed[plan.name] = report.failed.get(plan.name, 0) + 1
                    account.check(plan, n)
                except (Wrong, shim.Hang, OSError, KeyError, ValueError) as error:
                    report.add(plan, n, site.control.call, str(error) or type(error).__name__)
                    worker = again(worker)
                    account = Account(worker)
        worker.stop()
    except Wrong as error:
        report.add(None, 0, "", str(error))
    finally:
        if choice.trace:
            print(site.take_output())
        site.close()
    return report


def again(worker):
    """A worker of which nothing is known any more makes way for a new one."""
    server = worker.site.server
    worker.site.control.disarm()
    server.kill()
    worker.site.control.waiting = 0
    worker.start()
    for _ in range(5):
        worker.good()
    return worker


class Untidy(Wrong):
    """What may be the work of a library, not of the program: lost memory, a crash."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Process:
    """A program that is run anew for each failure."""

    def __init__(self, site):
        self.site = site
        self.directory = site.directory / "etc"
        self.results = [site.directory / "stdout", site.directory / "stderr"]

    def run(self, arguments, environment=(), stdin="/dev/null", directory="/", limit_s=shim.LIMIT_S):
        """(status, standard output, standard error)"""
        for path in self.results:
            path.write_bytes(b"")
        self.site.server.start(arguments, directory, {0: stdin, 1: self.results[0], 2: self.results[1]},
                               environment)
        status = self.site.server.wait(limit_s)
        return status, self.results[0].read_bytes(), self.results[1].read_text(errors="replace")

    def check_end(self, status):
        """What holds for every end of a process."""
        control = self.site.control
        if status < 0:
            raise Untidy("crash", f"killed by signal {-status}")
        require(control.broken == 0, "memory was freed twice, or written behind its end")
        if control.lost > 0:
            raise Untidy("memory lost", f"{control.lost} blocks of memory are lost, one is number {control.lost_at}")
        require(control.left == 0, f"{control.left} descriptors are left open")


def calls_of(text):
    """Of the stacks that the shim wrote to standard error: (library, function) that the program had called."""
    found = []
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith("/"):
            found.append([])
        elif found and line.startswith("/") and not re.search(r"/(shim|libc)\.so", line):
            path, _, rest = line.partition("(")
            found[-1].append((path.rsplit("/", 1)[1], rest.partition("+")[0]))
    called = []
    for stack in found:
        # The program's own allocation, which OpenSSL may call, comes first and does not count.
        while stack and stack[0][0].startswith("oauth2"):
            stack.pop(0)
        own = next((place for place, (name, _) in enumerate(stack) if name.startswith("oauth2")), 0)
        called.append(stack[own - 1] if own > 0 else ("the program", ""))
    return called


def blame(process, kind, attempt):
    """
    What a library does, if that is not the program's fault, else None.  Memory that is lost was made
    in one of LOSERS, where it did not get some; a crash is one of CRASHES.  That the program frees
    what it has of OpenSSL's is seen where its functions fail as a whole ("crypto").
    """
    control = process.site.control
    lost_at, found = control.lost_at, []
    control.disarm()
    for trace in (1, lost_at):
        if trace > 0:
            control.trace = trace
            try:
                attempt()
            except (Wrong, shim.Hang):
                pass
            found += calls_of(process.results[1].read_text(errors="replace"))
    control.trace = 0
    libraries = {name for name, _ in found}
    if kind == "memory lost" and len(found) == 2 and len(libraries) == 1 and libraries <= LOSERS:
        return f"{libraries.pop()}: memory lost"
    if kind == "crash" and len(found) == 2 and (found[0][1], found[1][1]) in CRASHES:
        return f"{found[1][0]}: {found[1][1]} crashes, as {found[0][1]} gets no memory"
    return None


def each_failure(report, process, choice, attempt):
    """attempt(plan, n) is one run; calls are counted by one without a failure."""
    site = process.site
    attempt(None, 0)
    counts = site.control.calls
    for plan in plans(choice, counts):
        paths = survey(site.control, plan, lambda: attempt(plan, 0))
        for n in numbers(choice, plan, paths):
            try:
                attempt(plan, n)
                if site.control.fired == 0:
                    break
            except Untidy as error:
                call, failed = site.control.call, site.control.failed()
                can_be = plan.kind == "memory" and not choice.trace
                library = blame(process, error.kind, lambda: attempt(plan, n)) if can_be else None
                site.control.restore(failed)
                if library:
                    report.blamed.setdefault(library, []).append(f"{plan.name}/{n}")
                else:
                    report.add(plan, n, call, str(error))
            except (Wrong, shim.Hang, OSError, KeyError, ValueError) as error:
                report.add(plan, n, site.control.call, str(error) or type(error).__name__)
            report.failed[plan.name] = report.failed.get(plan.name, 0) + 1


class Cgi(Process):
    """A request by CGI."""

    def __init__(self, site, case):
        super().__init__(site)
        self.case = case
        self.body = site.directory / "body"
        site.material.write(self.directory, **dict(case.options or {}))

    def ask(self, request):
        self.body.write_bytes(request.body)
        variables = {**request.variables, "CONTENT_LENGTH": str(len(request.body))}
        environment = [f"{name}={value}" for name, value in variables.items()]
        status, out, _ = self.run(["oauth2.fcgi", "--config", str(self.directory / "oauth2.yaml")], environment,
                                  self.body)
        answer = None
        if status == 0:
            try:
                answer = rawfcgi.Answer(out)
            except (KeyError, IndexError):
                raise Wrong(f"status 0, but no answer: {out[:80]!r}") from None
        else:
            require(status == 1 or status < 0, f"exit status {status}")
            require(b"access_token" not in out or b"Status: 200" in out, "a token on an error")
        return status, answer

    def good(self, request, wanted):
        self.site.control.arm()
        status, answer = self.ask(request)
        require(answer is not None and answer.status == wanted,
                f"the next request has no good answer, but {answer and answer.status} ({status})")
        if request.verify is not None:
            request.verify(answer)

    def attempt(self, report, plan, n):
        control = self.site.control
        request = self.case.make(self.site.material)
        control.arm(plan, n)
        status, answer = self.ask(request)
        if plan is None:
            require(answer is not None and judge(report, self.case, request, answer, None, control),
                    f"no good answer: {answer}")
            self.check_end(status)
            return
        failed = control.failed()
        control.disarm()
        try:
            self.check_end(status)
            served = judge(report, self.case, request, answer, plan, control)
            if served and self.case.again is not None:
                self.good(dataclasses.replace(request, verify=None), self.case.again)
            if served and request.then is not None:
                self.good(request.then, 200)
            if plan.kind not in ("memory", "crypto") or n % 16 == 0:
                self.good(self.case.make(self.site.material), self.case.status)
            require_unlocked(self.directory)
        finally:
            control.restore(failed)


def torture_cgi(options, case, choice):
    report = Report(case.name)
    site = Site(options, "oauth2.fcgi")
    try:
        cgi = Cgi(site, case)
        cgi.good(case.make(site.material), case.status)
        site.control.trace = choice.trace
        each_failure(report, cgi, choice, lambda plan, n: cgi.attempt(report, plan, n))
    except Wrong as error:
        report.add(None, 0, "", str(error))
    finally:
        if choice.trace:
            print(cgi.results[1].read_text(errors="replace"))
        site.close()
    return report
