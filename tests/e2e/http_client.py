# SPDX-License-Identifier: MIT
"""Requests byte by byte, and the program's log: what a library would tidy up must arrive as it is."""

import functools
import http.client
import io
import json
import socket
import ssl
import time

TIMEOUT_S = 60
LOG_TIMEOUT_S = 5


class Answer:
    """What came back: status, all headers in order, body."""

    def __init__(self, raw, method):
        source = http.client.HTTPResponse(_Bytes(raw), method=method)
        source.begin()
        self.status = source.status
        self.headers = [(name.lower(), value) for name, value in source.getheaders()]
        try:
            self.body = source.read()
        except http.client.IncompleteRead as error:
            raise AssertionError(f"the answer is cut off: {raw!r}") from error
        self.raw = raw

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def one(self, name):
        values = self.all(name)
        return values[0] if values else None

    def json(self):
        return json.loads(self.body, object_pairs_hook=_no_duplicates)


class _Bytes:
    """What http.client takes for a socket."""

    def __init__(self, raw):
        self.raw = raw

    def makefile(self, _mode):
        return io.BytesIO(self.raw)


def _no_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"repeated JSON member in {names}"
    return dict(pairs)


def build(method, target, headers=(), body=None):
    """A request; a header without a value is left out, so a default one can be taken away."""
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1", "surrogateescape"),
             b"Host: localhost", b"Connection: close"]
    headers = list(headers)
    if body is not None and not any(name.lower() in ("content-length", "transfer-encoding")
                                    for name, _ in headers):
        headers.append(("Content-Length", str(len(body))))
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers if value is not None]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


@functools.lru_cache(maxsize=None)
def tls_context(certificate=None, version=None):
    """A client's side of TLS; certificate: the paths of a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def exchange(port, request, source=None, tls=False, half_close=False, certificate=None):
    """Send, read to the end. None: the connection was closed without an answer."""
    connection = socket.create_connection(
        ("127.0.0.1", port), TIMEOUT_S, source_address=(source, 0) if source else None)
    with connection:
        if not tls:
            raw = _talk(connection, request, half_close)
        else:
            raw = _talk_over_tls(connection, request, half_close, tls_context(certificate))
    if not raw:
        return None
    return Answer(raw, request.split(b" ", 1)[0].decode("latin-1"))


def _talk_over_tls(connection, request, half_close, context):
    """A server that does not like our certificate may end the connection at any moment."""
    try:
        with context.wrap_socket(connection) as wrapped:
            return _talk(wrapped, request, half_close)
    except (ssl.SSLError, ConnectionError):
        return b""


def _talk(connection, request, half_close):
    received = b""
    try:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        while True:
            data = connection.recv(65536)
            if not data:
                return received
            received += data
    except (ConnectionResetError, BrokenPipeError):
        # A server that answers before it has read all may close like this; the answer counts.
        return received + _rest(connection)


def _rest(connection):
    try:
        return connection.recv(65536)
    except OSError:
        return b""


class LogFile:
    """The program's own log of one front."""

    def __init__(self, path):
        self.path = path

    def text(self, mark=0):
        try:
            with open(self.path, "rb") as file:
                file.seek(mark)
                return file.read().decode()
        except FileNotFoundError:
            return ""

    def mark(self):
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def lines(self, mark=0):
        """Whole lines since the mark."""
        text = self.text(mark)
        return [json.loads(line, object_pairs_hook=_no_duplicates)
                for line in text[:text.rfind("\n") + 1].splitlines()]

    def wait_for_lines(self, mark, wanted):
        """The lines since the mark for which wanted(line) is true; the line may follow the answer."""
        deadline = time.monotonic() + LOG_TIMEOUT_S
        while True:
            found = [line for line in self.lines(mark) if wanted(line)]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.005)
