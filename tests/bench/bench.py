#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a token costs, against one bare RSA-2048 signature of the openssl command.

Through nginx: tokens a second and latency while the machine is kept busy, and the processor time
of oauth2.fcgi alone. As CGI: the processor time of one process, beside that of /bin/true. All figures are
medians; signatures and rounds of requests take turns, so that a busy machine slows both down.
"""
import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CONNECTIONS = 16
SECONDS = 3
ROUNDS = 5
CGI_RUNS = 51


def output_of(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def signs_per_second(processes):
    """openssl's own figure for RSA-2048, by processor time, one process for each processor."""
    running = [subprocess.Popen(["openssl", "speed", "-seconds", "1", "rsa2048"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
               for _ in range(processes)]
    outputs = [process.communicate()[0] for process in running]
    return sum(float(re.search(r"^rsa 2048 bits +\S+ +\S+ +([\d.]+)", out, re.M).group(1))
               for out in outputs)


def make_configuration(build, directory, port):
    out = output_of(f"{build}/oauth2-admin", "init", directory,
                    "--issuer", f"http://localhost:{port}")
    found = dict(re.findall(r"^(client_id|client_secret): +(\S+)$", out, re.M))
    return (f"grant_type=client_credentials&client_id={found['client_id']}"
            f"&client_secret={found['client_secret']}")


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def nginx_configuration(directory, port):
    """The shipped file with other paths and port, in the frame that nginx.conf gives it."""
    with open("etc/nginx.conf", encoding="utf-8") as f:
        shipped = f.read()
    write(f"{directory}/site.conf", shipped
          .replace("/run/oauth2-fcgi/oauth2.sock", f"{directory}/oauth2.sock")
          .replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    user = "user root;" if os.getuid() == 0 else ""
    temporary = "".join(f"{name}_temp_path {directory}/{name}; "
                        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    write(f"{directory}/nginx.conf",
          f"{user} daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log;\n"
          f"worker_processes 1; events {{ }}\n"
          f"http {{ access_log off; {temporary} include {directory}/site.conf; }}\n")


def wait_for(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("bench: nginx did not start")


def cpu_seconds(parent):
    """User and system time of a supervisor and its workers."""
    total = 0
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as f:
        pids = [str(parent)] + f.read().split()
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def load(directory, port, responder):
    """One round of wrk: tokens a second, p50 and p99 in ms, CPU seconds of the responder a token."""
    before = cpu_seconds(responder)
    out = output_of("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency",
                    "-s", f"{directory}/post.lua", f"http://127.0.0.1:{port}/oauth2/token")
    used = cpu_seconds(responder) - before
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"bench: requests failed:\n{out}")
    unit = {"us": 0.001, "ms": 1, "s": 1000}
    latency = {p: float(n) * unit[u]
               for p, n, u in re.findall(r"^ +(50|99)% +([\d.]+)(us|ms|s)", out, re.M)}
    count = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec: +([\d.]+)", out).group(1))
    return rate, latency["50"], latency["99"], used / count


def through_nginx(build, directory, port, body):
    nginx_configuration(directory, port)
    write(f"{directory}/post.lua",
          'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
          f'wrk.body = "{body}"\n')
    servers = []
    try:
        with open(f"{directory}/log", "wb") as log:
            servers.append(subprocess.Popen(
                [f"{build}/oauth2.fcgi", "--config", f"{directory}/conf/oauth2.yaml",
                 "--listen", f"{directory}/oauth2.sock"], stderr=log))
        servers.append(subprocess.Popen(
            ["nginx", "-e", f"{directory}/nginx.log", "-c", f"{directory}/nginx.conf"]))
        wait_for(port)
        load(directory, port, servers[0].pid)  # warm
        rounds = [(signs_per_second(os.cpu_count()), *load(directory, port, servers[0].pid))
                  for _ in range(ROUNDS)]
        return [statistics.median(column) for column in zip(*rounds)]
    finally:
        for server in reversed(servers):
            server.terminate()
            server.wait()


def process_cpu_ms(argv, environment, body):
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write(body.encode())
        stdin.seek(0)
        process = subprocess.Popen(argv, env=environment, stdin=stdin, stdout=stdout,
                                   stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        stdout.seek(0)
        return 1000 * (usage.ru_utime + usage.ru_stime), stdout.read()


def as_cgi(build, directory, body):
    """Medians of the CPU time of one CGI process that issues a token, and of /bin/true."""
    environment = {
        "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/oauth2",
        "PATH_INFO": "/token", "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "127.0.0.1",
        "OAUTH2_CONFIG": f"{directory}/conf/oauth2.yaml",
    }
    token_ms, true_ms = [], []
    for _ in range(CGI_RUNS):
        spent, answer = process_cpu_ms([f"{build}/oauth2.fcgi"], environment, body)
        if b'"access_token"' not in answer:
            sys.exit(f"bench: CGI gave no token: {answer!r}")
        token_ms.append(spent)
        true_ms.append(process_cpu_ms(["/bin/true"], {}, "")[0])
    return statistics.median(token_ms), statistics.median(true_ms)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    build = os.path.abspath(parser.parse_args().build)
    processors = os.cpu_count()

    os.environ["PATH"] += ":/usr/sbin"
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        body = make_configuration(build, f"{directory}/conf", port)
        signs, rate, p50, p99, cpu = through_nginx(build, directory, port, body)
        token_ms, true_ms = as_cgi(build, directory, body)

    sign_ms = 1000 * processors / signs
    rows = [
        (f"bare RSA-2048 signatures, {processors} processors", f"{signs:8.0f} /s",
         f"{sign_ms:.2f} ms of CPU each: the unit"),
        (f"tokens through nginx, {CONNECTIONS} connections", f"{rate:8.0f} /s",
         f"{rate / signs:.2f} of the bare signatures"),
        ("  latency, half of them within", f"{p50:8.1f} ms", ""),
        ("  latency, 99 of 100 within", f"{p99:8.1f} ms", ""),
        ("  CPU of oauth2.fcgi a token", f"{1000 * cpu:8.2f} ms",
         f"{1000 * cpu / sign_ms:.2f} signatures"),
        ("CPU of one CGI process a token", f"{token_ms:8.2f} ms",
         f"{token_ms / sign_ms:.2f} signatures"),
        ("  CPU of /bin/true", f"{true_ms:8.2f} ms",
         f"{token_ms / true_ms:.1f} times that"),
        ("  CGI above one signature and /bin/true", f"{token_ms - true_ms - sign_ms:8.2f} ms", ""),
    ]
    for name, figure, note in rows:
        print(f"{name:42} {figure:12} {note}".rstrip())


if __name__ == "__main__":
    main()
