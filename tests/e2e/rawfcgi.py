# SPDX-License-Identifier: MIT
"""A FastCGI client that sends what it is told to, also what no web server would send."""

import re
import socket
import struct
import time

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES = range(1, 10)
RESPONDER = 1
KEEP_CONN = 1

TOKEN_BODY = b"grant_type=client_credentials&client_id=client&client_secret=secret"


def record(kind, content=b"", request_id=1, padding=0, version=1):
    header = struct.pack(">BBHHBx", version, kind, request_id, len(content), padding)
    return header + content + b"\1" * padding


def begin(keep=False, request_id=1, role=RESPONDER):
    return record(BEGIN, struct.pack(">HB5x", role, KEEP_CONN if keep else 0), request_id)


def length(n):
    return bytes([n]) if n < 128 else struct.pack(">I", n | 0x80000000)


def pairs(variables):
    encoded = b""
    for name, value in variables.items():
        name, value = name.encode(), value.encode()
        encoded += length(len(name)) + length(len(value)) + name + value
    return encoded


def stream(kind, content, request_id=1, chunk=65528):
    """The records of a stream, with the empty one that ends it."""
    parts = [content[i:i + chunk] for i in range(0, len(content), chunk)]
    return b"".join(record(kind, part, request_id) for part in parts + [b""])


def token_variables(body=TOKEN_BODY, **more):
    return {"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/oauth2", "PATH_INFO": "/token",
            "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1", **more}


def token_request(body=TOKEN_BODY, keep=False, request_id=1, chunk=65528, **more):
    """All bytes of a token request."""
    return (begin(keep, request_id) + stream(PARAMS, pairs(token_variables(body, **more)), request_id) +
            stream(STDIN, body, request_id, chunk))


def get_request(path, keep=False):
    variables = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/oauth2", "PATH_INFO": path,
                 "REMOTE_ADDR": "127.0.0.1"}
    return begin(keep) + stream(PARAMS, pairs(variables)) + stream(STDIN, b"")


class Answer:
    """What came on STDOUT, as an HTTP response."""

    def __init__(self, content):
        self.head, _, self.body = content.partition(b"\r\n\r\n")
        self.headers = {name.lower(): value for name, value in
                        re.findall(r"^([\w-]+): (.*?)\r?$", self.head.decode(), re.M)}
        self.status = int(self.headers["status"].split()[0])


def connect(address, timeout=20):
    """A connection to a path, or to (host, port)."""
    if isinstance(address, tuple):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    else:
        family, address = socket.AF_UNIX, str(address)
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def read_exactly(connection, size):
    """As many bytes, or fewer if the peer closes."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def receive(connection):
    """The answer up to END_REQUEST; None if the peer closes without one."""
    content = b""
    while True:
        try:
            header = read_exactly(connection, 8)
        except ConnectionError:
            return None
        if not header:
            return None
        _, kind, _, size, padding, _ = struct.unpack(">BBHHBB", header)
        data = read_exactly(connection, size + padding)
        if len(header) < 8 or len(data) < size + padding:
            raise EOFError("the connection ends in a record")
        if kind == STDOUT:
            content += data[:size]
        elif kind == END:
            return Answer(content)
        else:
            raise ValueError(f"a record of type {kind}")


def is_closed(connection, within=2.0):
    """Does the peer close, without a byte, within this time?"""
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except socket.timeout:
        return False


def exchange(address, request, timeout=20):
    """One request on a connection of its own."""
    with connect(address, timeout) as connection:
        connection.sendall(request)
        return receive(connection)


def wait_until(condition, seconds, what):
    """Wait for something to become true; what it gives."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
