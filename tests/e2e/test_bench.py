# SPDX-License-Identifier: MIT
"""What `make bench` is made of, without measuring: options, tables and chart from stored figures, verdicts, ends."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import xml.etree.ElementTree
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
SAMPLES = {"bench.py": BENCH / "sample/result.json", "peers.py": BENCH / "sample/peers.json"}
SVG = "{http://www.w3.org/2000/svg}"


def run(script, *arguments, status=0):
    done = subprocess.run(["/usr/bin/python3", "-B", str(BENCH / script), *map(str, arguments)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SAMPLES)
def test_options(script):
    shown = run(script, "--help")
    for option in ("--build", "--seconds", "--rounds", "--short", "--show"):
        assert option in shown
    run(script, "--seconds", "many", status=2)


@pytest.mark.parametrize("script", SAMPLES)
def test_tables_show_every_row_and_goal(script):
    stored = json.loads(SAMPLES[script].read_text())
    shown = run(script, "--show", SAMPLES[script])
    lines = shown.splitlines()
    for row in stored["rows"]:
        assert any(f" {row['connections']} " in line and f"{row['rate']:.0f} " in line for line in lines), row
    for goal in stored["goals"]:
        assert any(line.startswith(goal["text"]) and line.endswith(goal["verdict"]) for line in lines), goal
    for name in stored["missing"]:
        assert f"NOT MEASURED: {name}: " in shown
    assert stored["missing"] or "NOT MEASURED" not in shown
    assert f"{stored['unit']['us']:.1f} us" in shown
    for row in stored.get("starts", {}).get("large", ()):
        assert any(line.startswith(f"{row['clients']:8.0f} ") for line in lines), row


@pytest.mark.parametrize("script", SAMPLES)
def test_tables_show_errors(script, tmp_path):
    stored = json.loads(SAMPLES[script].read_text())
    stored["rows"][0]["errors"] = 12345
    (tmp_path / "result.json").write_text(json.dumps(stored))
    assert "12345 ERRORS" in run(script, "--show", tmp_path / "result.json")


def bars(root):
    """Label and length of each bar, in their order."""
    labels = [text.text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
    lengths = [float(rect.get("width")) for rect in root.iter(f"{SVG}rect") if rect.get("class") != "page"]
    assert len(labels) == len(lengths)
    return list(zip(labels, lengths))


def test_chart_has_bars_of_the_right_length():
    root = xml.etree.ElementTree.fromstring(run("chart.py", *SAMPLES.values()))
    drawn = bars(root)
    peers = {row["server"]: row["rate"] for row in json.loads(SAMPLES["peers.py"].read_text())["rows"]
             if row["connections"] == 16}
    first = [label for label, _ in drawn].index(next(iter(peers)))
    lengths = dict(drawn[first:first + len(peers)])
    for name, rate in peers.items():
        assert lengths[name] == pytest.approx(380 * rate / max(peers.values()), abs=0.1)
    fronts = [label for label, _ in drawn[:first]]
    assert {"nginx kept", "CGI", "ES256"} <= set(fronts)


def test_chart_needs_no_font_and_no_network():
    text = run("chart.py", *SAMPLES.values())
    assert "prefers-color-scheme: dark" in text
    assert "@font-face" not in text and "@import" not in text and "href" not in text


# --- verdicts -----------------------------------------------------------------------------------

def python(text, *arguments):
    """What a script of this directory's modules prints, as JSON."""
    done = subprocess.run(["/usr/bin/python3", "-B", "-c", text, *map(str, arguments)], text=True, env=environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def environment(**more):
    return {**os.environ, "PYTHONPATH": str(BENCH), **more}


VERDICTS = """
import json, sys
import bench, peers, report

def goals(errors, server):
    rows = report.Rows()
    for name in (bench.KEPT, "lighttpd", "Apache proxy", *bench.KEY_SITES, peers.OURS, *peers.PEERS):
        for what in ("token", "floor", "sha256", "bcrypt", "flooded"):
            for key in ((name, what, 16), (name, 1), (name, 16)):
                for number in range(3):
                    bad = errors if name == server and number == 1 else 0
                    rows.add(key, {"rate": 1000, "p50_ms": 1, "p99_ms": 2, "p99_p50": 2, "program_u": 1,
                                   "cpu_u": 1, "cpu_us": 2, "unit_us": 1, "sign_us": 1, "front_u": 1,
                                   "front_us": 1, "floor_p50_ms": 1, "errors": bad})
    if errors is None:
        rows.fail((server, "token", 16))
    found = [*bench.goals_of_load(rows), *peers.goals(rows)]
    return [goal.text for goal in found if goal.verdict() == "not measured"]

print(json.dumps(goals(json.loads(sys.argv[1]), sys.argv[2])))
"""


LIMITS = """
import json, os
import bench, peers, report

os.cpu_count = lambda: 2
rows = report.Rows()
rows.add((bench.KEPT, "token", 16), {"program_u": 1.1, "cpu_u": 1.4, "front_u": 0.25, "p99_p50": 2, "errors": 0})
rows.add(("ES256", "token", 16), {"rate": 20000, "sign_us": 20, "errors": 0})
rows.add(("ES256", "floor", 16), {"rate": 50000, "errors": 0})
rows.add((peers.OURS, 16), {"rate": 900, "unit_us": 200, "front_us": 50, "errors": 0})
rows.add((peers.OURS, 1), {"p50_ms": 1, "unit_us": 200, "floor_p50_ms": 0.1, "errors": 0})
for name, cpu_us, p50_ms in (("Authlib", 500, 2), ("oidc-provider", 300, 2), ("oidc-provider, cluster", 275, 0.5),
                             ("@node-oauth/oauth2-server", 400, 2), ("@node-oauth/oauth2-server, cluster", 400, 2)):
    rows.add((name, 16), {"rate": 500, "cpu_us": cpu_us, "errors": 0})
    rows.add((name, 1), {"p50_ms": p50_ms, "errors": 0})
print(json.dumps({goal.text: goal.limit for goal in [*bench.goals_of_load(rows), *peers.goals(rows)]}))
"""


def test_limits():
    """What a program would reach that does nothing but sign."""
    limits = python(LIMITS)
    for text, limit in (("processor time of all, nginx kept, 16 clients", 1.25), ("req/s, ES256 / floor", 2 / 3),
                        ("req/s at 16 clients / Authlib", 2), ("req/s at 16 clients / oidc-provider", 1.1),
                        ("p50 at one client / best of the others", 0.6)):
        assert limits[text] == pytest.approx(limit), text
    assert limits["processor time of all, lighttpd, 16 clients"] is None, "it was not measured"


@pytest.mark.parametrize("server, count", [("nginx kept", 5), ("lighttpd", 1), ("ES256", 1), ("RSA 3072", 1),
                                           ("oauth2-fcgi, nginx", 4), ("oidc-provider, cluster", 2)])
def test_one_error_takes_the_verdict_from_every_goal_of_its_row(server, count):
    assert python(VERDICTS, 0, server) == []
    spoilt = python(VERDICTS, 1, server)
    assert len(spoilt) == count, spoilt


ERRORS = """
import json
import load, sites

def errors(request, log="", **result):
    return load.errors({"count": 1000, "refused": 0, "broken": 0, **result}, request, log)

def line(reason):
    return '{"event":"token.denied","reason":"%s"}\\n' % reason

print(json.dumps([
    errors(sites.TOKEN),
    errors(sites.TOKEN, refused=7),
    errors(sites.TOKEN, broken=3),
    errors(sites.FLOOR, line("undefined scope") * 1000, refused=1000),
    errors(sites.FLOOR, line("undefined scope") * 1016, refused=1000),
    errors(sites.FLOOR, line("undefined scope") * 990 + line("too many requests") * 10, refused=1000),
    errors(sites.FLOOR, line("undefined scope") * 1000, refused=995),
    errors(sites.FLOOR, refused=1000, broken=1),
]))
"""


def test_an_answer_of_the_wrong_kind_is_an_error():
    assert python(ERRORS) == [0, 7, 3, 0, 0, 10, 5, 1001]


# --- ends ---------------------------------------------------------------------------------------

def processes_of(directory):
    """Those that work in this directory, also if it is gone."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd").startswith(f"{directory}/"):
                found.append(int(pid))
    return found


@pytest.fixture
def temporary():
    """A directory that servers without rights can reach; what a failing test leaves there is ended."""
    with tempfile.TemporaryDirectory(prefix="bench-ends-") as directory:
        os.chmod(directory, 0o755)
        yield directory
        for pid in processes_of(directory):
            os.kill(pid, signal.SIGKILL)


BROKEN = """
import json, os, sys
import fronts, processes, sites

known = fronts.tool
fronts.tool = lambda name: "/bin/false" if name == "nginx" else known(name)
processes.adopt_orphans()
try:
    fronts.Nginx(sys.argv[1], sys.argv[2] + "/front", sites.configuration(sys.argv[1], "RS256"))
except processes.Failed as failure:
    print(json.dumps([str(failure), sorted(processes.descendants())]))
"""


def test_a_server_that_does_not_start_leaves_nothing(build, temporary):
    failure, left = python(BROKEN, build, temporary)
    assert "does not serve" in failure
    assert left == []


SERVING = """
import os, signal, subprocess, sys, time
import bench, fronts, load, peers, processes

# Also if the tests run where they are ignored.
for number in processes.ENDINGS:
    signal.signal(number, signal.SIG_DFL)

class Serving:
    def __init__(self, server, *_):
        self.directory = server.directory

    def result(self):
        # What a server might leave behind: a session of its own, and nobody's child.
        subprocess.run(["sh", "-c", "setsid sh -c 'trap \\"\\" TERM; sleep 600; sleep 600' & exit"],
                       cwd=self.directory, check=True)
        print("serving", flush=True)
        time.sleep(60)

load.Wrk = Serving
# What the load comes from, and the servers of others, need not be here.
load.version = lambda: ""
peers.versions = lambda build: {}
fronts.FRONTS = {bench.KEPT: fronts.Nginx}
processes.STOP_TIMEOUT_S = 1
sys.argv = [sys.argv[1], "--build", sys.argv[2]]
{"bench": bench, "peers": peers}[sys.argv[0]].main()
"""


@pytest.mark.parametrize("script", ["bench", "peers"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_neither_process_nor_directory(build, temporary, script, number):
    with subprocess.Popen(["/usr/bin/python3", "-B", "-c", SERVING, script, str(build)], text=True,
                          env=environment(TMPDIR=temporary), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
        try:
            assert bench.stdout.readline() == "serving\n", bench.stderr.read()
            assert len(processes_of(temporary)) >= 4
            bench.send_signal(number)
            said = bench.communicate(timeout=30)
        finally:
            bench.kill()
    assert bench.returncode == 128 + number, said
    assert processes_of(temporary) == []
    assert os.listdir(temporary) == []


def test_a_signal_ends_what_start_has_started(build, temporary):
    script = ("import start, sys; start.measure_cgi = lambda *_: [];"
              "start.fastcgi.encode = lambda _: print('serving', flush=True) or start.time.sleep(60);"
              "sys.argv[0] = 'start'; start.main()")
    with subprocess.Popen(["/usr/bin/python3", "-B", "-c", script, "--build", str(build)], text=True,
                          env=environment(TMPDIR=temporary), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as start:
        try:
            assert start.stdout.readline() == "serving\n", start.stderr.read()
            children = Path(f"/proc/{start.pid}/task/{start.pid}/children").read_text().split()
            start.send_signal(signal.SIGTERM)
            start.communicate(timeout=30)
        finally:
            start.kill()
    assert start.returncode == 128 + signal.SIGTERM
    assert children and not any(os.path.exists(f"/proc/{pid}") for pid in children)
    assert os.listdir(temporary) == []
