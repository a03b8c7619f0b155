# SPDX-License-Identifier: MIT
"""service.py SOCKET_UNIT SERVICE_UNIT: what systemd does of the two units that counts here, where it does not run.

It opens the socket as the one unit says, and starts the program with it as the other says. SIGUSR1 restarts
the program, SIGHUP is handed to it, SIGTERM stops all.
"""

import configparser
import grp
import os
import pwd
import shlex
import signal
import socket
import sys
from pathlib import Path


def read(path):
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=["="], comment_prefixes=["#"])
    parser.optionxform = str
    parser.read_string(Path(path).read_text(encoding="utf-8"))
    return parser


def check_condition(unit, name):
    condition = unit["Unit"]["ConditionPathExists"]
    if not os.path.exists(condition):
        sys.exit(f"{name} is skipped: there is no {condition}")


def open_socket(unit):
    path = Path(unit["ListenStream"])
    path.parent.mkdir(int(unit["DirectoryMode"], 8), parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    os.chown(path, -1, grp.getgrnam(unit["SocketGroup"]).gr_gid)
    path.chmod(int(unit["SocketMode"], 8))
    listening.listen(int(unit["Backlog"]))
    return listening


def start(unit, listening):
    user, group = pwd.getpwnam(unit["User"]), grp.getgrnam(unit["Group"])
    command = shlex.split(unit["ExecStart"])
    pid = os.fork()
    if pid:
        return pid
    os.dup2(listening.fileno(), 3)
    os.set_inheritable(3, True)
    os.setgroups([])
    os.setresgid(*[group.gr_gid] * 3)
    os.setresuid(*[user.pw_uid] * 3)
    os.umask(int(unit["UMask"], 8))
    os.chdir("/")
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execve(command[0], command, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "PATH": "/usr/bin:/bin"})


def stop(pid):
    """All of its requests are answered when it has ended."""
    os.kill(pid, signal.SIGTERM)
    signal.alarm(40)
    os.waitpid(pid, 0)
    signal.alarm(0)


def main():
    socket_unit, service_unit = read(sys.argv[1]), read(sys.argv[2])
    check_condition(socket_unit, sys.argv[1])
    check_condition(service_unit, sys.argv[2])
    signals = {signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    listening = open_socket(socket_unit["Socket"])
    pid = start(service_unit["Service"], listening)
    while True:
        received = signal.sigwait(signals)
        if received == signal.SIGHUP:
            os.kill(pid, signal.SIGHUP)
            continue
        stop(pid)
        if received != signal.SIGUSR1:
            break
        pid = start(service_unit["Service"], listening)
        print("restarted", flush=True)
    if socket_unit["Socket"]["RemoveOnStop"] == "yes":
        os.unlink(socket_unit["Socket"]["ListenStream"])


main()
