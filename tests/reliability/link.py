# SPDX-License-Identifier: MIT
"""Requests as they travel: FastCGI records to the program's socket, or HTTP to a web server; connections are kept."""

import dataclasses
import re
import socket
import time
from urllib.parse import quote_plus

import rawfcgi

TIMEOUT_S = 60       # an answer that takes longer is lost
IDLE_S = 1.0         # a web server may close a connection that was silent for longer
REUSE = 100          # requests on a connection, before another is opened
FORM = "application/x-www-form-urlencoded"
HEAD_END = b"\r\n\r\n"


class Lost(Exception):
    """No answer came, or not all of it."""


@dataclasses.dataclass
class Call:
    """A request to an endpoint; variables are those that only a web server can set."""

    method: str
    path: str
    body: bytes = None
    headers: dict = dataclasses.field(default_factory=dict)
    query: str = ""
    variables: dict = dataclasses.field(default_factory=dict)


def form(fields):
    return "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()


def post(path, headers=None, variables=None, **fields):
    return Call("POST", path, form(fields), {"Content-Type": FORM, **(headers or {})}, "", variables or {})


def get(path, **headers):
    return Call("GET", path, None, {name.replace("_", "-"): value for name, value in headers.items()})


def target(call):
    """The metadata are at the root."""
    return call.path if call.path.startswith("/") else f"/oauth2/{call.path}"


def as_records(call, source="127.0.0.1", keep=True):
    """What a web server makes of it."""
    made = {"REQUEST_METHOD": call.method, "SCRIPT_NAME": target(call), "QUERY_STRING": call.query,
            "REMOTE_ADDR": source, "SERVER_PROTOCOL": "HTTP/1.1"}
    if call.body is not None:
        made["CONTENT_LENGTH"] = str(len(call.body))
    for name, value in call.headers.items():
        name = name.upper().replace("-", "_")
        made[name if name == "CONTENT_TYPE" else "HTTP_" + name] = value
    made.update(call.variables)
    return (rawfcgi.begin(keep) + rawfcgi.stream(rawfcgi.PARAMS, rawfcgi.pairs(made))
            + rawfcgi.stream(rawfcgi.STDIN, call.body or b""))


def as_http(call, keep=True):
    lines = [f"{call.method} {target(call)}{'?' if call.query else ''}{call.query} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    if call.body is not None:
        lines.append(f"Content-Length: {len(call.body)}")
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + HEAD_END + (call.body or b"")


class Answer:
    """Status, headers and body; a body of another length than was said is lost."""

    def __init__(self, status, head, body, method="POST"):
        self.status = status
        self.headers = {name.lower(): value for name, value in
                        re.findall(r"^([\w-]+): (.*?)\r?$", head.decode("latin-1"), re.M)}
        self.body = body
        told = self.headers.get("content-length")
        if told is not None and method != "HEAD" and int(told) != len(body):
            raise Lost(f"{len(body)} of {told} bytes came")


class Link:
    """One connection at a time, from an address of our own; opened anew when it has to be."""

    def __init__(self, address):
        self.address = address
        self.socket = None
        self.source = "127.0.0.1"
        self.count = 0
        self.reuse = REUSE
        self.used_s = 0
        self.keeps = True

    def open(self):
        raise NotImplementedError

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def is_fit(self):
        return (self.socket is not None and self.keeps and self.count < self.reuse
                and time.monotonic() - self.used_s < IDLE_S)

    def connected(self):
        if not self.is_fit():
            self.close()
            self.socket = self.open()
            self.socket.settimeout(TIMEOUT_S)
            self.count = 0
            self.keeps = True
        self.count += 1
        return self.socket

    def encode(self, call):
        raise NotImplementedError

    def receive(self, call):
        raise NotImplementedError

    def ask(self, call, pause_s=0):
        """The answer; with a pause, the last third of the request comes so much later."""
        data = self.encode(call)
        try:
            connection = self.connected()
            if pause_s:
                connection.sendall(data[:-len(data) // 3])
                time.sleep(pause_s)
                data = data[-len(data) // 3:]
            connection.sendall(data)
            answer = self.receive(call)
        except (OSError, ValueError) as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error}") from error
        except Lost:
            self.close()
            raise
        self.used_s = time.monotonic()
        return answer

    def cut(self, call, share):
        """Send a part of the request, and be gone."""
        data = self.encode(call)
        try:
            self.connected().sendall(data[:int(len(data) * share)])
        except OSError as error:
            raise Lost(str(error)) from error
        finally:
            self.close()


class Records(Link):
    """FastCGI, as a web server speaks it that keeps its connections."""

    def open(self):
        return rawfcgi.connect(self.address, TIMEOUT_S)

    def encode(self, call):
        return as_records(call, self.source, self.reuse > 1)

    def receive(self, call):
        answer = read_records(self.socket)
        return Answer(*answer, call.method)

    def send_garbage(self, data):
        """Whether the program ends a connection on which it gets this, without an answer."""
        self.close()
        with rawfcgi.connect(self.address, TIMEOUT_S) as connection:
            try:
                connection.sendall(data)
            except ConnectionError:
                pass
            return rawfcgi.is_closed(connection, TIMEOUT_S)


def read_records(connection):
    """Status, head and body of an answer up to END_REQUEST."""
    data, content, at = b"", b"", 0
    while True:
        part = connection.recv(65536)
        if not part:
            raise Lost(f"closed after {len(data)} bytes of the answer")
        data += part
        while len(data) - at >= 8:
            kind, size = data[at + 1], data[at + 4] << 8 | data[at + 5]
            end = at + 8 + size + data[at + 6]
            if len(data) < end:
                break
            if kind == rawfcgi.END:
                head, _, body = content.partition(HEAD_END)
                return int(head[8:11]), head, body
            if kind == rawfcgi.STDOUT:
                content += data[at + 8:at + 8 + size]
            at = end


class Http(Link):
    """HTTP/1.1; each connection comes from another address of this machine."""

    opened = 0

    def open(self):
        Http.opened += 1
        if self.source.startswith("127.0."):
            self.source = f"127.0.{Http.opened >> 8 & 255}.{Http.opened & 255 or 1}"
        return socket.create_connection(self.address, TIMEOUT_S, source_address=(self.source, 0))

    def encode(self, call):
        return as_http(call, self.keeps)

    def receive(self, call):
        data = self.more(b"")
        while HEAD_END not in data:
            data = self.more(data)
        head, _, body = data.partition(HEAD_END)
        status = int(head[9:12])
        lower = head.lower()
        self.keeps = b"connection: close" not in lower
        size = re.search(rb"content-length: *(\d+)", lower)
        if call.method == "HEAD" or status in (204, 304):
            body = b""
        elif size:
            while len(body) < int(size[1]):
                body = self.more(body)
        elif b"transfer-encoding: chunked" in lower:
            body = self.chunks(body)
        else:
            self.keeps = False
            body = self.rest(body)
        return Answer(status, head, body, call.method)

    def more(self, data):
        part = self.socket.recv(65536)
        if not part:
            raise Lost(f"closed after {len(data)} bytes of the answer")
        return data + part

    def rest(self, data):
        while part := self.socket.recv(65536):
            data += part
        return data

    def chunks(self, data):
        body = b""
        while True:
            while b"\r\n" not in data:
                data = self.more(data)
            size, _, data = data.partition(b"\r\n")
            size = int(size.split(b";")[0], 16)
            while len(data) < size + 2:
                data = self.more(data)
            if size == 0:
                return body
            body, data = body + data[:size], data[size + 2:]
