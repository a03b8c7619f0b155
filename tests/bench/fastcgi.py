# SPDX-License-Identifier: MIT
"""A FastCGI client for one kept connection, and one process of the program behind a socket."""
import os
import signal
import socket
import struct
import subprocess

from processes import Failed, environment

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
KEEP_CONNECTION = 1
TIMEOUT_S = 120


def record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    return struct.pack(">BB", len(name), len(value)) + name.encode() + value.encode()


def variables(request):
    """A token request as a web server tells of it, but for its body."""
    return {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/oauth2/token", "QUERY_STRING": "",
        "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(request.body)),
        "REMOTE_ADDR": "127.0.0.1", "REQUEST_SCHEME": "http", "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": request.authorization,
    }


def encode(request):
    """A whole token request that wants the connection kept."""
    params = b"".join(pair(*item) for item in variables(request).items())
    return (record(BEGIN, struct.pack(">HB5x", 1, KEEP_CONNECTION)) + record(PARAMS, params)
            + record(PARAMS, b"") + record(STDIN, request.body.encode()) + record(STDIN, b""))


class Connection:
    """A kept connection to a socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.stream = self.socket.makefile("rb")

    def ask(self, encoded, count=1):
        """The last of so many answers, one after the other."""
        answer = b""
        for _ in range(count):
            self.socket.sendall(encoded)
            answer = self.answer()
        return answer

    def answer(self):
        answer, kind = b"", 0
        while kind != END:
            head = self.stream.read(8)
            if len(head) < 8:
                raise Failed("the program has closed the connection")
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", head)
            content = self.stream.read(length + padding)[:length]
            answer += content if kind == STDOUT else b""
        return answer

    def close(self):
        self.stream.close()
        self.socket.close()


class Worker:
    """One process of the program, which gets its listening socket as a web server gives it."""

    def __init__(self, directory, *command):
        path = f"{directory}/worker.sock"
        self.output = f"{directory}/worker.out"
        with socket.socket(socket.AF_UNIX) as listener, open(self.output, "wb") as output:
            listener.bind(path)
            listener.listen()
            self.popen = subprocess.Popen(command, stdin=listener, stdout=output, stderr=output,
                                          env=environment())
        self.connection = Connection(path)
        os.unlink(path)

    def ask(self, encoded, count=1):
        try:
            return self.connection.ask(encoded, count)
        except Failed as failure:
            raise Failed(f"{failure}: {self.words()[-300:]}") from failure

    def words(self):
        """What it wrote on its standard output and error."""
        with open(self.output, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        self.connection.close()
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait()
