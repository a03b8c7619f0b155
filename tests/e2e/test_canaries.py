# SPDX-License-Identifier: MIT
"""The search for secrets finds what is planted, and nothing in a short run; and the timing of refusals is measured."""

import base64
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

RELIABILITY = Path(__file__).resolve().parents[1] / "reliability"
sys.path.append(str(RELIABILITY))

# pylint: disable=wrong-import-position
import canaries
import marks
import peek

FORMS = {
    "raw": lambda data: data,
    "hexadecimal": lambda data: data.hex().encode(),
    "upper case": lambda data: data.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "percent-encoded": lambda data: "".join(f"%{byte:02X}" for byte in data).encode(),
}


def number(text):
    return int(text.replace(",", ""))


@pytest.fixture(name="planted")
def planted_mark():
    """Marks, and what they are of: 40 characters, and 40 bytes of any kind."""
    known, text, key = marks.Marks(), secrets.token_urlsafe(30).encode(), os.urandom(40)
    known.add("secret", "text", text)
    known.add("key", "bytes", key)
    return known, {"text": text, "bytes": key}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["text", "bytes"])
def test_every_form_is_found_wherever_it_begins(planted, name, form):
    known, secret = planted
    for before in range(9):
        data = os.urandom(before) + FORMS[form](os.urandom(before % 3) + secret[name]) + os.urandom(5)
        found = known.search(data)
        assert {mark.name for mark in found.hits} == {name}, (before, found)
        assert found.size == len(data)


@pytest.mark.parametrize("begin", range(17))
def test_a_part_is_found(planted, begin):
    known, secret = planted
    part = secret["text"][begin:begin + marks.PIECE + marks.STEP - 1]
    assert known.search(b"x" * 3 + part + b"y").hits


def test_what_is_no_secret_is_not_found(planted):
    known, secret = planted
    known.add("key", "zeros", bytes(100))
    assert not known.search(bytes(1000) + secret["text"][:15] + b"." + secret["text"][15:30]).hits
    with pytest.raises(ValueError):
        known.add("secret", "short", "fifteen letters")


def test_encoded_in_a_form(planted):
    known = planted[0]
    known.add("secret", "special", "p:a+s%s w&o=rd!/")
    assert known.search(quote("p:a+s%s w&o=rd!/").encode()).hits
    assert known.search(b"client_secret=p%3Aa%2Bs%25s+w%26o%3Drd%21%2F").hits


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", ["first half", "second half", "signature", "half of the signature's bytes"])
def test_parts_of_a_token_are_found(form, what):
    watch = canaries.Watch(None)
    header, payload, signature = (base64.urlsafe_b64encode(os.urandom(size)).decode().rstrip("=")
                                  for size in (30, 180, 256))
    watch.jwt("token", f"{header}.{payload}.{signature}")
    middle = len(payload) // 2
    leaks = {"first half": payload[:middle].encode(), "second half": payload[middle:].encode(),
             "signature": signature.encode(),
             "half of the signature's bytes": base64.urlsafe_b64decode(signature + "==")[:128]}
    assert watch.marks.search(os.urandom(3) + FORMS[form](leaks[what]) + os.urandom(5)).hits
    assert not watch.marks.search(FORMS[form](header.encode())).hits


@pytest.mark.parametrize("lines", canaries.BROKEN_CLIENTS + canaries.NO_YAML_CLIENTS)
def test_broken_clients_are_refused_for_what_is_meant(build, tmp_path, lines):
    client = canaries.CLIENT.replace("SECRETS", lines.replace("MARK", "0123456789abcdef"))
    path = tmp_path / "oauth2.yaml"
    path.write_text("issuer: https://auth.example.com\nscopes:\n  email:\nclients:\n" + client, encoding="utf-8")
    done = subprocess.run([build / "oauth2-admin", "check", "-c", path], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    assert ("not valid YAML" in done.stdout) == (lines in canaries.NO_YAML_CLIENTS), done.stdout
    assert re.search(r"yaml:[5-7]:\d+: error: ", done.stdout) and "0123456789abcdef" not in done.stdout


def test_memory_of_a_process_is_searched(planted):
    """As it is read from a program that hides it, if we may; of one that does not, in any case."""
    known, secret = planted
    script = "import sys; kept = bytes.fromhex(sys.stdin.readline()); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdin.write(secret["bytes"].hex().encode() + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        found = {mark.form for _, region in peek.regions(child.pid) for mark in known.search(region).hits}
        child.stdin.close()
    assert "raw" in found


def test_short_run(build):
    script = str(RELIABILITY / "canaries.py")
    done = subprocess.run(["/usr/bin/python3", "-B", script, "--build", str(build), "--short"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line[:48].strip(): line[48:].split() for line in done.stdout.splitlines()[1:-2]}
    for place in ("program's log, JSON", "program's log, text", "answers", "metrics", "LMDB's data, counters",
                  "memory of idle workers, supervisors", "memory after keys and secrets were removed",
                  "/proc/PID/environ and cmdline", "oauth2-admin's output"):
        size, hits, _ = rows[place]
        assert number(size) > 1000 and hits == "0", place
    # That memory is what is searched, the keys in it show.
    assert number(rows["memory of idle workers, supervisors"][2]) > 0
    assert rows["core dump by SIGABRT"] == ["0", "0", "-", "none"]
    size, hits, in_use, *note = rows["core dump, protection taken away"]
    assert hits == "0" and (note[:2] == ["not", "shown:"] or (number(size) > 1000 and number(in_use) > 0)), note


def test_timing_is_measured(build):
    """Whether times differ is nothing that a busy machine can tell: here only that all are taken, by two
    processes of each form."""
    done = subprocess.run([build / "tests/timing", "2000"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(sha256|bcrypt) +(.*?) +(\d+) +(\d+\.\d+) +(\d+\.\d+) +-?\d+\.\d+ +[\d.]+  too few to tell$",
                      done.stdout, re.M)
    assert [row[0] for row in rows] == 8 * ["sha256"] + 8 * ["bcrypt"], done.stdout
    assert all(int(row[2]) in (200, 2000) and float(row[3]) > 0 and float(row[4]) > 0 for row in rows)
