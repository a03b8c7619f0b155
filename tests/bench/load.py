# SPDX-License-Identifier: MIT
"""Load by wrk, and what it cost; the unit of all costs."""
import os
import re
import subprocess
import tempfile

from processes import CAPABILITIES, Failed, output_of, tool

SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "{authorization}"
wrk.body = "{body}"
"""
MS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}


class Wrk:
    """One run of wrk, from its start until result()."""

    def __init__(self, server, request, connections, seconds):
        with tempfile.NamedTemporaryFile("w", suffix=".lua", dir=server.directory, delete=False) as f:
            f.write(SCRIPT.format(authorization=request.authorization, body=request.body))
        self.popen = subprocess.Popen(
            [tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency",
             "-s", f.name, server.url], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def result(self):
        out = self.popen.communicate()[0]
        found = re.search(r"(\d+) requests in", out)
        if self.popen.returncode != 0 or not found or found.group(1) == "0":
            raise Failed(f"no request was answered: {out[-300:]}")
        return {"count": int(found.group(1)), "rate": float(number(out, r"Requests/sec: +([\d.]+)")),
                "refused": int(number(out, r"Non-2xx or 3xx responses: (\d+)")),
                "broken": sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", out))),
                **latencies(out)}


def number(out, pattern):
    found = re.search(pattern, out)
    return found.group(1) if found else "0"


def latencies(out):
    return {f"p{p}_ms": float(n) * MS[u]
            for p, n, u in re.findall(r"^ +(50|99)% +([\d.]+)(us|ms|s|m)", out, re.M)}


def difference(after, before):
    return {pid: ns - before.get(pid, 0) for pid, ns in after.items()}


def count_reason(log, request):
    return log.count(f'"reason":"{request.refused}"')


def errors(result, request, log):
    """Answers of the wrong kind, connections that failed, and no answers.

    wrk does not tell one refusal from another; the program's log does.
    """
    right = result["count"] - result["refused"]
    if request.refused is not None:
        right = min(result["refused"], count_reason(log, request))
    return result["broken"] + result["count"] - right


def measure(front, request, connections, seconds):
    """One run: rate, latency, and processor time of a request in microseconds."""
    if request.refused is not None:
        front.clear_log()
    program_before, front_before = front.cpu()
    result = Wrk(front, request, connections, seconds).result()
    program_after, front_after = front.cpu()
    result["errors"] = errors(result, request, front.log() if request.refused is not None else "")
    program = difference(program_after, program_before)
    spent = [sum(difference(front_after, front_before).values()), sum(program.values())]
    result["front_us"], result["program_us"] = (ns / 1000 / result["count"] for ns in spent)
    result["cpu_us"] = result["front_us"] + result["program_us"]
    result["busiest_share"] = max(program.values(), default=0) / max(spent[1], 1)
    result["rss_kb"] = front.rss_kb()
    return result


def version():
    """wrk -v says its version, and that it is used wrongly."""
    out = subprocess.run([tool("wrk"), "-v"], text=True, check=False, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT).stdout
    return " ".join(out.split()[:2])


class Unit:
    """The bare signature of a key, with all processors busy."""

    def __init__(self, build, key, seconds=0.5):
        self.command = [f"{build}/bench/unit", key, str(seconds), str(os.cpu_count())]
        self.environment = {name: os.environ[name] for name in (CAPABILITIES,) if name in os.environ}
        self.all_us = []
        self.all_rates = []

    def measure(self):
        """Microseconds of processor time for one signature, now."""
        cpu_us, rate = map(float, output_of(*self.command, env=self.environment).split())
        self.all_us.append(cpu_us)
        self.all_rates.append(rate)
        return cpu_us
