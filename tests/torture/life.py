# SPDX-License-Identifier: MIT
"""The life of the server: it starts, loads a changed configuration, and ends, while calls fail."""

import json
import os
import signal
import time
from dataclasses import dataclass

import cases
import rawfcgi
import runs
import shim
from cases import require

START_S = 10     # within which the server serves, or has given up


@dataclass
class Start:
    """A way to start."""

    name: str
    arguments: tuple = ()     # beside --config; {socket} is a path
    listens: bool = False     # it makes its socket itself
    broken: bool = False      # there is something wrong with the configuration
    serves: bool = True
    alg: str = "ES256"        # of the server's key


STARTS = [
    Start("start, token and end, one worker"),
    Start("start, token and end, supervised", ("--listen", "{socket}", "--workers", "2"), listens=True),
    Start("start, token and end, RS256", alg="RS256"),
    Start("start with a broken configuration", broken=True, serves=False),
    Start("start without a socket", serves=False, listens=True),
    Start("oauth2.fcgi --help", ("--help",), serves=False, listens=True),
]


class Server(runs.Process):
    """A server that lives for one request."""

    def __init__(self, site, start):
        super().__init__(site)
        self.how = start
        self.socket = site.directory / "socket"
        path = site.material.write(self.directory, alg=start.alg)
        self.log = self.directory / "oauth2.log"
        if start.broken:
            path.write_text(path.read_text().replace("issuer:", "isuer:"))
        self.arguments = ["oauth2.fcgi", "--config", str(path)]
        self.arguments += [text.format(socket=self.socket) for text in start.arguments]
        self.usual = None

    def begin(self):
        for path in self.results:
            path.write_bytes(b"")
        self.log.unlink(missing_ok=True)
        self.site.control.waiting = 0
        self.site.server.start(self.arguments, "/", dict(enumerate(["/dev/null", *self.results])),
                               listen=None if self.how.listens else self.socket)

    def ask(self, case, starved=False):
        """
        An answer, as soon as there is one; None if the server has ended before.  It need not serve
        while it has no memory at all, but as soon as it has some again.  Each time it is asked
        anew: what was used up may be the answer that did not come.
        """
        deadline = time.monotonic() + START_S
        limit_s = 1 if starved else shim.LIMIT_S
        while not self.site.server.ended():
            try:
                answer = rawfcgi.exchange(self.socket, case.make(self.site.material).stream(), limit_s)
                if answer is not None:
                    return answer
                self.site.control.armed = 0
            except (ConnectionError, FileNotFoundError):
                pass
            except TimeoutError:
                if limit_s == shim.LIMIT_S:
                    raise shim.Hang() from None
                limit_s = shim.LIMIT_S
                self.site.control.armed = 0
            if time.monotonic() > deadline:
                raise cases.Wrong(f"it neither serves nor ends: {self.results[1].read_text()}")
            time.sleep(0.002)
        return None

    def attempt(self, report, plan, n):
        case = cases.Case("", cases.by_assertion("es256", "ES256", self.how.alg))
        request = case.make(self.site.material)
        self.site.control.arm(plan, n)
        self.begin()
        try:
            answer = self.ask(case, plan is not None and plan.onwards) if self.how.serves else None
            if answer is not None:
                runs.judge(report, case, request, answer, plan, self.site.control)
                if plan is not None:
                    # Not while calls are counted: then none has failed.
                    if plan.onwards and self.site.control.fired > 0:
                        self.site.control.armed = 0
                    self.ask_again(case)
        except (cases.Wrong, shim.Hang):
            self.site.server.kill()
            raise
        status = self.site.server.stop() if answer is not None else self.site.server.wait()
        err = self.results[1].read_text(errors="replace")
        failed = self.site.control.failed()
        self.site.control.disarm()
        self.site.control.restore(failed)
        self.check_end(status)
        self.check_workers(report, err)
        if answer is None:
            self.check_refusal(report, plan, status, err, failed[1])
            return
        require(status == 0 or failed[0] > 0, f"it ends with status {status}: {err}")
        if self.how.listens:
            require(not runs_there(self.socket), "somebody still listens")

    def check_workers(self, report, err):
        """None of them was ended by a signal; of the log's lines each is JSON, on standard error as well."""
        text = err + (self.log.read_text(errors="replace") if self.log.exists() else "")
        for line in text.splitlines():
            if '"worker.ended"' not in line:
                continue
            number = json.loads(line).get("signal", 0)
            if number != 0:
                report.ended[number] = report.ended.get(number, 0) + 1
                raise runs.Untidy("crash", f"a worker was killed by signal {number}")

    def ask_again(self, case):
        """Whatever has failed once, the next request works."""
        deadline = time.monotonic() + runs.AGAIN_S
        while True:
            answer = self.ask(case)
            if answer is not None and answer.status == 200:
                case.make(self.site.material).verify(answer)
                return
            require(time.monotonic() < deadline, f"the next request has no good answer: {answer and answer.body}")
            time.sleep(0.05)

    def check_refusal(self, report, plan, status, err, call):
        if plan is None:
            self.usual = status
        # What standard input is cannot be seen then.
        wanted = (1, 2) if call == "getsockopt" else (1, self.usual)
        require(plan is not None or not self.how.serves, f"it does not start: {err}")
        require(status in wanted, f"exit status {status}: {err}")
        require(err or status == 0 or call in ("malloc", "open", "open64", "fcntl"), "it ends without a word")
        report.dropped += 1


def runs_there(path):
    try:
        rawfcgi.connect(path).close()
        return True
    except OSError:
        return False


def torture_start(options, start, choice):
    """All failures of a life."""
    report = runs.Report(start.name)
    site = runs.Site(options, "oauth2.fcgi")
    try:
        server = Server(site, start)
        site.control.trace = choice.trace
        runs.each_failure(report, server, choice, lambda plan, n: server.attempt(report, plan, n))
    except cases.Wrong as error:
        report.add(None, 0, "", str(error))
    finally:
        if choice.trace:
            print(server.results[1].read_text(errors="replace"))
        site.close()
    return report


@dataclass
class Reload(cases.Case):
    """A change of the configuration, and a request after it."""

    broken: bool = False    # the change is a mistake
    rotated: bool = False   # the log's file was renamed


def new_scope(number, alg):
    def make(_):
        form = {**cases.GRANT, "client_id": "rich", "client_secret": cases.place.SECRET, "scope": f"v{number:05}"}
        return cases.post("/token", form, cases.token("rich", alg))
    return make


RELOADS = [
    Reload("reload", cases.by_secret()),
    Reload("reload, RS256", cases.by_secret(alg="RS256"), options={"alg": "RS256"}),
    Reload("reload, the new configuration is broken", cases.by_secret(), broken=True),
    Reload("reload, the log is rotated", cases.by_secret(), rotated=True),
]


class Reloading(runs.Worker):
    """A worker whose configuration changes while calls fail."""

    number = 0

    def write(self, broken):
        """The configuration of another number: a scope of that name, which the client may have."""
        self.number += 1
        text = self.site.material.text(**(self.case.options or {})).replace(
            "scopes: {email:", f"scopes: {{v{self.number:05}: , email:").replace(
            "scopes: [email, profile]", f"scopes: [email, profile, v{self.number:05}]")
        new = self.config / "new"
        new.write_text(text.replace("issuer:", "isuer:") if broken else text)
        os.replace(new, self.config / "oauth2.yaml")

    def ask_new(self):
        self.ask(new_scope(self.number, (self.case.options or {}).get("alg", "ES256"))(None), 200)

    def hang_up(self):
        before = self.site.control.idle
        os.kill(self.site.server.pid, signal.SIGHUP)
        deadline = time.monotonic() + shim.LIMIT_S
        while self.site.control.idle == before:
            if self.site.server.ended():
                break
            if time.monotonic() > deadline:
                raise shim.Hang()
            time.sleep(0.0002)
        self.idle()

    def fail(self, report, plan, n):
        control = self.site.control
        self.write(self.case.broken)
        if self.case.rotated:
            os.replace(self.config / "oauth2.log", self.config / "oauth2.log.1")
        request = self.case.make(self.site.material)
        control.arm(plan, n)
        try:
            self.hang_up()
            answer = self.send(request.stream())
            self.idle()
        finally:
            control.disarm()
        fired = control.fired
        if fired > 0 or n == 0:
            runs.judge(report, self.case, request, answer, plan, control)
        self.write(False)
        self.hang_up()
        self.ask_new()
        if self.case.rotated:
            require((self.config / "oauth2.log").exists(), "the log's file is not made anew")
        require(control.broken == 0, "memory was freed twice, or written behind its end")
        runs.require_unlocked(self.config)
        return fired > 0

    def good(self):
        """A reload without a failure."""
        self.site.control.arm()
        self.write(False)
        self.hang_up()
        self.ask(self.case.make(self.site.material), 200)
        self.ask_new()
