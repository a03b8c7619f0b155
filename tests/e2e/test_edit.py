# SPDX-License-Identifier: MIT
"""The commands of oauth2-admin that change the configuration: only the lines meant, whole or not at all.

What a changed file means is read by PyYAML; tokens are verified by jwcrypto with the published JWKS.
"""

import concurrent.futures
import difflib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import yaml
from jwcrypto import jwk, jwt

import rawfcgi as raw

DONE, FAILED, USAGE = 0, 1, 2
OLD_HASH = "sha256:" + hashlib.sha256(b"secret").hexdigest()
KILLS = 200
START_S = 20
NOTICE_S = 1.0     # how soon a server has a change
SLACK_S = 1.5      # for a busy machine, on top of what is promised

TOP = """\
# A configuration with everything that editing must leave alone.
issuer: http://localhost   # who issues
"""

TWO = TOP + """\
signing_keys:
  # The key of the first days.
  - file: keys/one.pem   # keep it
  - {file: keys/two.pem, kid: two, state: next}   # announced

scopes:
  read:\t# «lire»

  #\ta comment with tabs\t
  write:

clients:
  # The first client, Zoë's.
  first:
    name: Zoë ☃   # for people
    scopes: [read, write]
    secrets:
      # Two of them.
      - hash: "OLD"
        label: old   # leaves soon
         #\tdeeper than the secret
      - hash: "OLD"   # without a label
    #introspect: true

  # The second one.
  second:
    enabled: false   # for now
    scopes: [read]
    secrets: [{hash: "OLD", label: a}, {hash: "OLD", label: b}]
  # What comes here belongs to nobody.

log: {file: null}   # the last line
"""

FOUR = TOP + """\
signing_keys:
-   file: keys/one.pem
    state: active   # signs
-   file: keys/two.pem
    alg: EdDSA
    state: next     # will sign
scopes: {read: , write: }
clients:
    first:
        scopes:
        -   read
        name: >
            folded
            text
        secrets:
        -   hash: OLD
            label: old
        -   hash: OLD
          #\ta tab
    second:
        enabled: false
        secrets:
        -   {hash: "OLD", label: a}
        -   {hash: "OLD", label: b}
"""

FLOW = """\
{issuer: http://localhost, signing_keys: [{file: keys/one.pem}, {file: keys/two.pem, state: next}],
 scopes: {read: , write: }, trusted_proxies: [::1],
 clients: {first: {scopes: [read], secrets: [{hash: "OLD", label: old}, {hash: "OLD"}]},   # one, two
           second: {enabled: false, secrets: [{hash: "OLD", label: a}, {hash: "OLD", label: b}]}}}   # the end
"""

FLOW_LINES = TOP + """\
signing_keys: [
  {file: keys/one.pem},   # signs
  {file: keys/two.pem, state: next}   # no comma
]
scopes: {read: , write: }
clients: {
\t# a tab
  first: {   # the first, with "{" and ","
    scopes: [read],
    secrets: [
      {hash: "OLD", label: old},   # old
      {hash: "OLD"},   # no label
    ],
  },   # behind the first
  second: {
    enabled: false,   # off
    secrets: [{hash: "OLD", label: a}, {hash: "OLD", label: b}]
  }   # behind the second
}
"""

ITEMS = TOP + """\
signing_keys:
  - {file: keys/one.pem, kid: one}
  - {state: next, file: keys/two.pem, kid: two}
scopes: {read: , write: }
clients:
  first: {scopes: [read], secrets: [{hash: "OLD", label: old}, {hash: "OLD"}]}   # one
  second: {enabled: false, secrets: [{hash: "OLD", label: a}, {hash: "OLD", label: b}]}   # two
"""

QUOTED = TOP + """\
"signing_keys":
  - "file": 'keys/one.pem'
    "state": "active"
  - 'file': "keys/two.pem"
    'state': 'next'
'scopes': {"read": , write: }
"clients":
  "first":
    'scopes': [read]
    "secrets":
      - 'hash': "OLD"
        "label": 'old'
      -
        hash: "OLD"
  'second':
    "enabled": false
    secrets:
      - hash: "OLD"
        label: |-
          a
      - hash: "OLD"
        label: "b"
"""

LAYOUTS = {
    "two": TWO, "four": FOUR, "flow": FLOW, "flow-lines": FLOW_LINES, "items": ITEMS, "quoted": QUOTED,
    "crlf": TWO.replace("\n", "\r\n"), "no-end": FOUR.rstrip("\n"), "no-end-crlf": FOUR.rstrip("\n").replace("\n", "\r\n"),
    "no-end-two": TWO[:TWO.index("\nlog:")].rstrip("\n"), "bom": "\ufeff" + TWO, "markers": "---\n" + TWO + "...\n",
    "flow-crlf": FLOW_LINES.replace("\n", "\r\n"), "flow-no-end": FLOW.rstrip("\n"),
}
LAYOUTS = {name: text.replace("OLD", OLD_HASH) for name, text in LAYOUTS.items()}

# The commands, and what each does to the data.
COMMANDS = {
    "add-client": ["add-client", "third: one", "--scope", "read write", "--scope", "read", "--name", 'Ünï "1"'],
    "add-plain-client": ["add-client", "third"],
    "disable-client": ["disable-client", "first"],
    "enable-client": ["enable-client", "second"],
    "remove-first": ["remove-client", "first"],
    "remove-second": ["remove-client", "second"],
    "add-secret": ["add-secret", "first", "--label", "new", "--expires", "2096-12-31T00:00:00Z"],
    "add-plain-secret": ["add-secret", "second"],
    "remove-secret": ["remove-secret", "first", "old"],
    "remove-unlabelled": ["remove-secret", "first", ""],
    "remove-a": ["remove-secret", "second", "a"],
    "remove-b": ["remove-secret", "second", "b"],
    "rotate": ["rotate"],
}

BLOCK_CLIENT = ["  third:\n", "    secrets:\n", '      - hash: "HASH"\n']

# What a diff shows: (layout, command): (lines that go, lines that come).
DIFFS = {
    ("two", "add-client"): ([], ["\n", '  "third: one":\n', '    name: "Ünï \\"1\\""\n', "    scopes: [read, write]\n",
                                 "    secrets:\n", '      - hash: "HASH"\n']),
    ("two", "disable-client"): ([], ["    enabled: false\n"]),
    ("two", "enable-client"): (["    enabled: false   # for now\n"], ["    enabled: true   # for now\n"]),
    ("two", "remove-second"): (TWO.splitlines(True)[TWO.splitlines().index("  second:"):][:4], []),
    ("two", "add-secret"): ([], ['      - hash: "HASH"\n', "        label: new\n",
                                 '        expires: "2096-12-31T00:00:00Z"\n']),
    ("two", "remove-secret"): (['      - hash: "OLD"\n', "        label: old   # leaves soon\n",
                                "         #\tdeeper than the secret\n"], []),
    ("two", "remove-unlabelled"): (['      - hash: "OLD"   # without a label\n'], []),
    ("two", "remove-a"): (['    secrets: [{hash: "OLD", label: a}, {hash: "OLD", label: b}]\n'],
                          ['    secrets: [{hash: "OLD", label: b}]\n']),
    ("two", "rotate"): (["  - {file: keys/two.pem, kid: two, state: next}   # announced\n"],
                        ["    state: retired\n", "  - {file: keys/two.pem, kid: two, state: active}   # announced\n",
                         "  - {file: NEW, state: next}\n"]),
    ("four", "add-plain-client"): ([], ["    third:\n", "        secrets:\n", '            - hash: "HASH"\n']),
    ("four", "disable-client"): ([], ["        enabled: false\n"]),
    ("four", "add-secret"): ([], ['        - hash: "HASH"\n', "          label: new\n",
                                  '          expires: "2096-12-31T00:00:00Z"\n']),
    ("four", "add-plain-secret"): ([], ['        - {hash: "HASH"}\n']),
    ("four", "rotate"): (["    state: active   # signs\n", "    state: next     # will sign\n"],
                         ["    state: retired   # signs\n", "    state: active     # will sign\n",
                          "- file: NEW\n", "  alg: EdDSA\n", "  state: next\n"]),
    ("no-end", "add-plain-secret"): (['        -   {hash: "OLD", label: b}'],
                                     ['        -   {hash: "OLD", label: b}\n', '        - {hash: "HASH"}']),
    ("no-end", "remove-b"): (['        -   {hash: "OLD", label: a}\n', '        -   {hash: "OLD", label: b}'],
                             ['        -   {hash: "OLD", label: a}']),
    ("flow-lines", "add-plain-client"): (["  }   # behind the second\n"],
                                         ["  },   # behind the second\n", '  third: {secrets: [{hash: "HASH"}]}\n']),
    ("flow-lines", "add-secret"): ([], ['      {hash: "HASH", label: new, expires: "2096-12-31T00:00:00Z"},\n']),
    ("flow-lines", "remove-secret"): (['      {hash: "OLD", label: old},   # old\n'], []),
    ("flow-lines", "remove-unlabelled"): (['      {hash: "OLD"},   # no label\n'], []),
    ("flow-lines", "disable-client"): ([], ["    enabled: false,\n"]),
    ("flow-lines", "rotate"): (["  {file: keys/one.pem},   # signs\n",
                                "  {file: keys/two.pem, state: next}   # no comma\n"],
                               ["  {file: keys/one.pem, state: retired},   # signs\n",
                                "  {file: keys/two.pem, state: active},   # no comma\n",
                                "  {file: NEW, state: next}\n"]),
    ("items", "add-plain-client"): ([], ['  third: {secrets: [{hash: "HASH"}]}\n']),
    ("items", "remove-second"): (ITEMS.splitlines(True)[-1:], []),
    ("items", "disable-client"): (ITEMS.splitlines(True)[-2:-1],
                                  [ITEMS.splitlines(True)[-2].replace("[read],", "[read], enabled: false,")]),
    ("no-end-two", "remove-b"): (['    secrets: [{hash: "OLD", label: a}, {hash: "OLD", label: b}]\n'],
                                 ['    secrets: [{hash: "OLD", label: a}]\n']),
}


class Place:
    """A directory with keys and a configuration, and the program for it."""

    def __init__(self, build, directory):
        self.program = str(build / "oauth2-admin")
        self.directory = directory
        self.path = directory / "oauth2.yaml"
        for name in ("one", "two"):
            self.good("keygen", "--alg", "EdDSA", "--out", directory / f"keys/{name}.pem", config=False)

    def write(self, text, name="oauth2.yaml"):
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.replace("OLD", OLD_HASH).encode())
        return self

    def read(self, name="oauth2.yaml"):
        return (self.directory / name).read_bytes().decode()

    def start(self, *arguments, config=True):
        (self.directory / "keys").mkdir(exist_ok=True)
        command = [self.program, *(["-c", str(self.path)] if config else []), *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, cwd=self.directory)

    def run(self, *arguments, **options):
        with self.start(*arguments, **options) as process:
            output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def good(self, *arguments, **options):
        status, output, errors = self.run(*arguments, **options)
        assert status == DONE and errors == "", (output, errors)
        return output

    def refused(self, *arguments, status=FAILED):
        """What it says; no file is changed, made or left."""
        before = self.files()
        result = self.run(*arguments)
        assert result[0] == status and result[1] == "", result
        assert self.files() == before
        return result[2]

    def files(self):
        return {str(path.relative_to(self.directory)): os.readlink(path) if path.is_symlink() else path.read_bytes()
                for path in self.directory.rglob("*") if path.is_symlink() or not path.is_dir()}

    def names(self):
        return sorted(name for name in self.files() if not name.startswith("keys/"))

    def data(self, name="oauth2.yaml"):
        """What it means; PyYAML wants no tabs outside of comments, and no address ::1 in brackets."""
        text = re.sub(r"^\t+ *|\t+(?=#)", " ", self.read(name), flags=re.M).replace("[::1]", "['::1']")
        return yaml.load(text, Loader=yaml.BaseLoader)

    def key_states(self):
        return [(key["file"], key.get("state", "active")) for key in self.data()["signing_keys"]]


@pytest.fixture
def place(build, tmp_path):
    return Place(build, tmp_path)


def secret_of(output):
    return re.search(r"^client_secret: ([A-Za-z0-9_-]{43})$", output, re.M).group(1)


def hash_of(secret):
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


def diff(before, after):
    """The lines that went, and those that came; line ends count."""
    gone, come = [], []
    for line in difflib.ndiff(before.splitlines(True), after.splitlines(True)):
        if line[0] == "-":
            gone.append(line[2:])
        elif line[0] == "+":
            come.append(line[2:])
    return gone, come


def comments(text):
    return re.findall(r"#[^\n\r]*", text)


def expected_data(data, command, output):
    """What the configuration is to mean after the command."""
    clients = data["clients"]
    first, second = clients.get("first"), clients.get("second")
    if command in ("add-client", "add-plain-client"):
        item = {"secrets": [{"hash": hash_of(secret_of(output))}]}
        if command == "add-client":
            clients["third: one"] = {"name": 'Ünï "1"', "scopes": ["read", "write"], **item}
        else:
            clients["third"] = item
    elif command == "disable-client":
        first["enabled"] = "false"
    elif command == "enable-client":
        second["enabled"] = "true"
    elif command in ("remove-first", "remove-second"):
        del clients[command.removeprefix("remove-")]
    elif command == "add-secret":
        first["secrets"].append({"hash": hash_of(secret_of(output)), "label": "new", "expires": "2096-12-31T00:00:00Z"})
    elif command == "add-plain-secret":
        second["secrets"].append({"hash": hash_of(secret_of(output))})
    elif command in ("remove-secret", "remove-unlabelled"):
        del first["secrets"][0 if command == "remove-secret" else 1]
    elif command in ("remove-a", "remove-b"):
        del second["secrets"][0 if command == "remove-a" else 1]
    elif command == "rotate":
        keys = data["signing_keys"]
        keys[0]["state"], keys[1]["state"] = "retired", "active"
        new = {"file": re.search(r", in (keys/\S+\.pem)$", output, re.M).group(1), "state": "next"}
        if "alg" in keys[1]:
            new["alg"] = keys[1]["alg"]
        keys.append(new)
    return data


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_what_is_meant(place, layout, command):
    place.write(LAYOUTS[layout])
    place.path.chmod(0o640)
    before, data = place.read(), place.data()
    output = place.good(*COMMANDS[command])
    after = place.read()

    assert place.data() == expected_data(data, command, output)
    gone, come = diff(before, after)
    if (layout, command) in DIFFS:
        new = re.search(r"keys/2\S+\.pem", after)
        come = [re.sub(r"sha256:[0-9a-f]{64}", lambda h: "OLD" if h.group() == OLD_HASH else "HASH", line) for line in come]
        come = [line.replace(new.group(), "NEW") if new else line for line in come]
        assert ([line.replace(OLD_HASH, "OLD") for line in gone], come) == DIFFS[layout, command]
    if not command.startswith("remove-"):
        assert comments(after) == comments(before), "each comment stays, in its order"
        assert len(gone) <= 2
    for line in gone:
        # A line that is left gone was that of the entry itself; else it comes back changed.
        assert len(come) > 0 or command.startswith("remove-"), line
    assert ("\r\n" in after) == ("\r\n" in before)
    if "\r\n" in before:
        assert re.search(r"(?<!\r)\n", after) is None
    assert after.endswith("\n") == before.endswith("\n")
    assert after.startswith("\ufeff") == before.startswith("\ufeff")
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o640
    assert ": ok" in place.good("check")
    assert place.names() == ["oauth2.yaml"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_there_and_back(place, layout):
    """What is added can be removed again, and then it is the same text."""
    place.write(LAYOUTS[layout])
    before = place.read()
    place.good("add-secret", "first", "--label", "x")
    place.good("remove-secret", "first", "x")
    if layout not in ("flow-lines", "flow-crlf"):
        place.good("add-client", "third")
        place.good("remove-client", "third")
    after = place.read()
    # The line that parted the new client from the one before it belongs to neither.
    assert [line for line in after.splitlines(True) if line.strip()] == \
        [line for line in before.splitlines(True) if line.strip()]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_in_a_row(place, layout):
    place.write(LAYOUTS[layout])
    data = place.data()
    for command in ("add-client", "disable-client", "enable-client", "add-secret", "add-plain-secret", "remove-secret",
                    "remove-b", "remove-a", "rotate", "remove-first", "remove-second"):
        data = expected_data(data, command, place.good(*COMMANDS[command]))
        assert place.data() == data, command
    assert set(place.data()["clients"]) == {"third: one"}
    assert ": ok" in place.good("check")


# What is not there yet


@pytest.mark.parametrize("text, clients", [
    ("", "\nclients:\n  new:\n    secrets:\n      - hash: HASH\n"),
    ("clients:\n", "clients:\n  new:\n    secrets:\n      - hash: HASH\n"),
    ("clients:   # none yet\n  # really none\nlog: {level: info}\n",
     "clients:   # none yet\n  # really none\n  new:\n    secrets:\n      - hash: HASH\nlog: {level: info}\n"),
    ("clients: {}   # none\n", "clients: {new: {secrets: [{hash: HASH}]}}   # none\n"),
    ("clients:", "clients:\n  new:\n    secrets:\n      - hash: HASH"),
    ("log: {level: info}", "log: {level: info}\nclients:\n  new:\n    secrets:\n      - hash: HASH"),
])
def test_the_first_client(place, text, clients):
    head = TOP + "\nsigning_keys: [{file: keys/one.pem}]\n\nscopes: {read: }\n"
    place.write(head + text)
    output = place.good("add-client", "new")
    written = re.sub(r'"sha256:[0-9a-f]{64}"', "HASH", place.read())
    assert written == head + clients
    assert hash_of(secret_of(output)) in place.read()
    assert ": ok" in place.good("check")
    place.good("remove-client", "new")
    assert not place.data().get("clients")
    place.good("add-client", "new")
    place.good("add-client", "second")
    assert list(place.data()["clients"]) == ["new", "second"]


@pytest.mark.parametrize("client, after", [
    ("  bare:\n", "  bare:\n    enabled: false\n"),
    ("  bare:", "  bare:\n    enabled: false"),
    ("  bare: {}\n", "  bare: {enabled: false}\n"),
    ("  bare: {enabled: }\n", "  bare: {enabled: false}\n"),
    ("  bare: {name: x}  # y\n", "  bare: {name: x, enabled: false}  # y\n"),
    ("  bare:\n    enabled:   # default\n", "  bare:\n    enabled: false   # default\n"),
    ("  bare:\n    enabled: true\n", "  bare:\n    enabled: false\n"),
])
def test_disable_a_bare_client(place, client, after):
    head = TOP + "signing_keys: [{file: keys/one.pem}]\nclients:\n"
    place.write(head + client)
    place.good("disable-client", "bare")
    assert place.read() == head + after


@pytest.mark.parametrize("client, after", [
    ("  bare:\n", '  bare:\n    secrets:\n      - hash: HASH\n'),
    ("  bare: {}\n", "  bare: {secrets: [{hash: HASH}]}\n"),
    ("  bare: {secrets: }\n", "  bare: {secrets: [{hash: HASH}]}\n"),
    ("  bare: {secrets: []}\n", "  bare: {secrets: [{hash: HASH}]}\n"),
    ("  bare:\n    secrets:   # none\n    name: x\n", "  bare:\n    secrets:   # none\n      - hash: HASH\n    name: x\n"),
    ("  bare:\n    secrets: []\n", "  bare:\n    secrets: [{hash: HASH}]\n"),
    ("  bare:\n    name: |\n      a\n      b\n\n", "  bare:\n    name: |\n      a\n      b\n    secrets:\n      - hash: HASH\n\n"),
])
def test_the_first_secret(place, client, after):
    head = TOP + "signing_keys: [{file: keys/one.pem}]\nclients:\n"
    place.write(head + client)
    output = place.good("add-secret", "bare")
    assert re.sub(r'"sha256:[0-9a-f]{64}"', "HASH", place.read()) == head + after
    assert hash_of(secret_of(output)) in place.read()


def test_nothing_to_do(place):
    place.write(TWO)
    before, stamp = place.read(), place.path.stat()
    assert "already disabled" in place.good("disable-client", "second")
    assert "already enabled" in place.good("enable-client", "first")
    assert json.loads(place.good("enable-client", "first", "--json"))["changed"] is False
    assert place.read() == before
    assert place.path.stat().st_ino == stamp.st_ino and place.path.stat().st_mtime_ns == stamp.st_mtime_ns


def test_results_for_programs(place):
    place.write(TWO)
    added = json.loads(place.good("add-client", "third", "--json"))
    assert added == {"client_id": "third", "client_secret": added["client_secret"], "file": str(place.path)}
    assert hash_of(added["client_secret"]) in place.read()
    secret = json.loads(place.good("add-secret", "third", "--label", "l", "--json"))
    assert hash_of(secret["client_secret"]) in place.read()
    assert json.loads(place.good("remove-secret", "third", "l", "--json"))["label"] == "l"
    assert json.loads(place.good("disable-client", "third", "--json")) == \
        {"client_id": "third", "state": "disabled", "changed": True, "file": str(place.path)}
    assert json.loads(place.good("remove-client", "third", "--json"))["state"] == "removed"
    rotated = json.loads(place.good("rotate", "--json"))
    assert rotated["active"] == "two" and (place.directory / rotated["file"]).exists()
    assert set(rotated) == {"retired", "active", "next", "file"}


# Includes, links, owners


def included(place):
    place.write(TOP + "signing_keys: [{file: keys/one.pem}]\nscopes: {read: }\ninclude: [clients.d/*.yaml]\n"
                      "clients:\n  main: {scopes: [read]}\n")
    place.write("clients:\n  a:   # in the first file\n    scopes: [read]\n    secrets:\n      - hash: \"OLD\"\n",
                "clients.d/1.yaml")
    place.write("clients: {b: {secrets: [{hash: \"OLD\"}]}}", "clients.d/2.yaml")
    (place.directory / "clients.d/2.yaml").chmod(0o600)
    return place


def test_included_files(place):
    included(place)
    before = place.files()
    assert "clients.d/1.yaml" in place.good("disable-client", "a")
    place.good("add-secret", "b", "--label", "new")
    after = place.files()
    assert {name for name in after if after[name] != before.get(name)} == {"clients.d/1.yaml", "clients.d/2.yaml"}
    assert diff(before["clients.d/1.yaml"].decode(), place.read("clients.d/1.yaml")) == ([], ["    enabled: false\n"])
    assert place.read("clients.d/2.yaml").startswith('clients: {b: {secrets: [{hash: "sha256:')
    assert stat.S_IMODE((place.directory / "clients.d/2.yaml").stat().st_mode) == 0o600

    place.good("remove-client", "b")
    assert place.read("clients.d/2.yaml") == "clients: {}"
    place.good("add-client", "c", "--scope", "read")
    assert list(place.data()["clients"]) == ["main", "c"]
    assert ": ok" in place.good("check")
    assert "there is a client \"a\" already" in place.refused("add-client", "a")


def test_relative_path_of_the_configuration(place):
    included(place)
    subprocess.run([place.program, "-c", "oauth2.yaml", "disable-client", "a"], cwd=place.directory, check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    subprocess.run([place.program, "-c", "oauth2.yaml", "rotate"], cwd=place.directory, check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    other = place.directory / "keys"
    subprocess.run([place.program, "-c", "../oauth2.yaml", "rotate"], cwd=other, check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    assert [state for _, state in place.key_states()] == ["retired", "active", "next"]
    assert ": ok" in place.good("check")


def test_a_symbolic_link_stays_one(place):
    place.write(TWO, "real/oauth2.yaml")
    shutil.copytree(place.directory / "keys", place.directory / "real/keys")
    place.path.symlink_to("real/oauth2.yaml")
    place.good("disable-client", "first")
    place.good("rotate")
    assert place.path.is_symlink() and os.readlink(place.path) == "real/oauth2.yaml"
    assert place.data()["clients"]["first"]["enabled"] == "false"
    assert sorted(os.listdir(place.directory / "real")) == ["keys", "oauth2.yaml"]


def test_owner_and_group_are_kept(place):
    if os.geteuid() != 0:
        pytest.fail("this test gives files to other users: run it as root", pytrace=False)
    place.write(TWO)
    place.path.chmod(0o640)
    os.chown(place.path, 4711, 4712)
    for name in ("one", "two"):
        (place.directory / f"keys/{name}.pem").chmod(0o640)
        os.chown(place.directory / f"keys/{name}.pem", 4711, 4712)
    place.good("add-client", "new")
    place.good("rotate")
    for path in [place.path, *(place.directory / "keys").iterdir()]:
        now = path.stat()
        assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (4711, 4712, 0o640), path


def test_files_of_somebody_else_are_refused(build):
    """Who may write to the directory, but is not the owner, could only make the file his own."""
    if os.geteuid() != 0:
        pytest.fail("this test becomes another user: run it as root", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="oauth2-edit.") as name:
        place = Place(build, Path(name)).write(TWO)
        program = shutil.copy(place.program, name)
        for path in (place.directory, place.directory / "keys"):
            path.chmod(0o777)
        for key in ("one", "two"):
            os.chown(place.directory / f"keys/{key}.pem", 4711, 4712)
        place.path.chmod(0o644)
        before = place.files()
        for arguments in (["add-client", "x"], ["disable-client", "first"], ["rotate"]):
            result = subprocess.run([program, "-c", place.path, *arguments], user=4711, group=4712, extra_groups=[],
                                    capture_output=True, text=True, timeout=60, check=False)
            assert result.returncode == FAILED and result.stdout == ""
            assert "cannot be given to its owner; do this as that user, or as root" in result.stderr
            assert place.files() == before


# Refused, with everything left as it was


@pytest.mark.parametrize("arguments, complaint", [
    (["add-client", "first"], 'there is a client "first" already'),
    (["add-client", "x", "--scope", "reed"], 'error: undefined scope "reed"; did you mean "read"?'),
    (["disable-client", "frist"], 'there is no client "frist"; did you mean "first"?'),
    (["enable-client", "nobody"], 'there is no client "nobody"'),
    (["remove-client", "nobody"], 'there is no client "nobody"'),
    (["add-secret", "nobody"], 'there is no client "nobody"'),
    (["add-secret", "first", "--label", "old"], 'has a secret with the label "old" already'),
    (["remove-secret", "first", "new"], "no secret with this label"),
    (["remove-secret", "second", ""], "no secret without a label"),
    (["remove-secret", "nobody", "a"], 'there is no client "nobody"'),
])
def test_refused(place, arguments, complaint):
    place.write(TWO)
    assert complaint in place.refused(*arguments)


@pytest.mark.parametrize("arguments, complaint", [
    (["add-client"], "ID is missing"), (["add-client", ""], "a client_id has 1 to 255"),
    (["add-client", "ü"], "a client_id has 1 to 255"), (["add-client", "x" * 256], "a client_id has 1 to 255"),
    (["add-client", "x", "--name", b"\xff"], "--name is not UTF-8"), (["disable-client"], "ID is missing"),
    (["enable-client", "a", "b"], 'unexpected argument "b"'), (["remove-client"], "ID is missing"),
    (["add-secret", "first", "--expires", "soon"], "--expires must be a time"),
    (["add-secret", "first", "--expires", "2020-01-01"], "--expires is in the past"),
    (["add-secret", "first", "--label", b"\xff"], "--label is not UTF-8"),
    (["remove-secret", "first"], "LABEL is missing"), (["rotate", "now"], 'unexpected argument "now"'),
])
def test_wrong_usage(place, arguments, complaint):
    place.write(TWO)
    result = subprocess.run([place.program, "-c", place.path, *arguments], capture_output=True, timeout=60, check=False)
    assert result.returncode == USAGE and result.stdout == b""
    assert complaint in result.stderr.decode(errors="replace")
    assert place.read() == TWO.replace("OLD", OLD_HASH)


@pytest.mark.parametrize("text", [
    TWO.replace("\n", "\r"),                                     # line ends of another time
    TWO.replace("# who issues", "# \r who issues"),
])
def test_strange_line_ends_are_refused(place, text):
    place.write(text)
    place.refused("disable-client", "first")


def test_utf16_is_refused(place):
    place.path.write_bytes(("\ufeff" + TWO.replace("OLD", OLD_HASH)).encode("utf-16-le"))
    assert "cannot be edited safely" in place.refused("disable-client", "first")


@pytest.mark.parametrize("secrets, label", [
    ("\n      - ? hash\n        : \"OLD\"\n        ? label\n        : x\n", "x"),
    ("\n      -\n        # between\n        hash: \"OLD\"\n        label: x\n", "x"),
    (" [hash: \"OLD\", {hash: \"OLD\"}]\n", ""),
])
def test_strange_forms(place, secrets, label):
    """Each is either refused, with the file as it was, or done as it is meant."""
    place.write(TOP + "signing_keys: [{file: keys/one.pem}]\nclients:\n  c:\n    secrets:" + secrets)
    before = place.data()
    for arguments in (["add-secret", "c", "--label", "new"], ["disable-client", "c"], ["remove-secret", "c", label]):
        files = place.files()
        status, output, errors = place.run(*arguments)
        if status != DONE:
            assert errors and output == "" and place.files() == files
        else:
            assert ": ok" in place.good("check")
    assert place.data()["issuer"] == before["issuer"]


def test_hard_links_are_refused(place):
    place.write(TWO)
    os.link(place.path, place.directory / "other.yaml")
    assert "hard link" in place.refused("disable-client", "first")


@pytest.mark.parametrize("command", [["add-client", "x"], ["disable-client", "first"], ["rotate"]])
def test_broken_configuration(place, command):
    place.write(TWO + "isuer: x\n")
    assert re.search(r"oauth2\.yaml:\d+:1: error: unknown key \"isuer\"", place.refused(*command))


@pytest.mark.parametrize("text", ["", "a: [\n", "- x\n", "\0"])
def test_no_configuration_at_all(place, text):
    place.write(text)
    for command in (["add-client", "x"], ["disable-client", "first"], ["rotate"]):
        assert "error: " in place.refused(*command)


def test_no_file(place):
    assert "No such file" in place.refused("add-client", "x")
    place.path.mkdir()
    assert "is not a regular file" in place.refused("add-client", "x")


def test_what_is_wrong_with_one_client_can_be_removed(place):
    place.write(TWO.replace("log:", "  bad: {scopes: [nowhere]}\n\nlog:"))
    assert "undefined scope" in place.refused("disable-client", "first")
    place.good("remove-client", "bad")
    assert ": ok" in place.good("check")


def test_full_disk_and_closed_output(place):
    place.write(TWO)
    before = place.files()
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([place.program, "-c", place.path, "add-client", "new"], stdout=full,
                                stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert result.returncode == FAILED and "standard output cannot be written" in result.stderr
    assert place.files() == before, "a client whose secret nobody saw is not added"


def test_changed_meanwhile(place):
    """A text editor that knows nothing of the lock is not overwritten."""
    text = ITEMS + "".join(f"  c{i}: {{secrets: [{{hash: \"OLD\"}}]}}\n" for i in range(40000))
    place.write(text)
    begin = time.monotonic()
    place.good("disable-client", "c7")
    usual = time.monotonic() - begin
    refused = 0
    for part in range(4, 10):
        place.write(text)
        process = place.start("disable-client", "c7")
        time.sleep(usual * part / 10)
        # As many editors save: another file takes the place.
        place.write(text + "# saved by hand\n", "new")
        (place.directory / "new").rename(place.path)
        output, errors = process.communicate(timeout=60)
        assert place.read().endswith("# saved by hand\n") and place.names() == ["oauth2.yaml"]
        assert process.returncode == DONE or "changed by somebody else meanwhile" in errors, (output, errors)
        refused += process.returncode == FAILED
    assert refused > 0


# Keys


def test_rotate_without_a_next_key(place):
    place.write(TOP + "signing_keys:\n  - file: keys/one.pem\n")
    output = place.good("rotate")
    assert "the active one goes on signing" in output
    states = place.key_states()
    assert [state for _, state in states] == ["active", "next"] and states[0][0] == "keys/one.pem"
    place.good("rotate")
    assert [state for _, state in place.key_states()] == ["retired", "active", "next"]


@pytest.mark.parametrize("algorithm, bits", [("PS256", 2048), ("RS384", 3072), ("ES256", None), ("EdDSA", None)])
def test_the_new_key_is_like_the_old_one(place, algorithm, bits):
    place.good("keygen", "--alg", algorithm, *(["--bits", bits] if bits else []), "--out", "keys/old.pem", config=False)
    place.write(TOP + f"signing_keys: [{{file: keys/old.pem, alg: {algorithm}}}]\n")
    place.good("rotate")
    key = place.data()["signing_keys"][1]
    assert key["alg"] == algorithm
    path = place.directory / key["file"]
    new, old = (jwk.JWK.from_pem((place.directory / name).read_bytes()) for name in (key["file"], "keys/old.pem"))
    assert path.name == f"{time.strftime('%Y-%m-%d', time.gmtime())}-{new.thumbprint()[:12]}.pem"
    assert new["kty"] == old["kty"] and len(new.export_public()) - len(old.export_public()) in range(-4, 5)
    assert new.thumbprint() != old.thumbprint()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def published(place):
    place.good("export", place.directory / "public")
    return jwk.JWKSet.from_json((place.directory / "public/jwks.json").read_text())


def verify(token, keys):
    parsed = jwt.JWT()
    parsed.deserialize(token)
    key = keys.get_key(parsed.token.jose_header["kid"])
    assert key is not None, "the token's key is not published"
    jwt.JWT(jwt=token, key=key, algs=["EdDSA"])
    return parsed.token.jose_header["kid"]


def test_rotate_three_times(place):
    place.write(TOP + "signing_keys:\n  - file: keys/one.pem\nclients:\n  c: {secrets: [{hash: \"OLD\"}]}\n")
    place.good("rotate")
    tokens, cached = [], published(place)
    for _ in range(3):
        tokens.append(json.loads(place.good("token", "c"))["access_token"])
        verify(tokens[-1], cached)
        place.good("rotate")
        # Who fetched the keys before the rotation knows the key that signs after it.
        verify(json.loads(place.good("token", "c"))["access_token"], cached)
        cached = published(place)
        assert len({verify(token, cached) for token in tokens}) == len(tokens)
    assert [state for _, state in place.key_states()] == ["retired"] * 3 + ["active", "next"]


# Killed at any point, two at once


def listed_keys(place):
    return {key["file"] for key in place.data()["signing_keys"]}


def test_killed_at_any_point(place):
    rng = random.Random(7)
    place.write(TWO)
    commands = [COMMANDS[name] for name in ("disable-client", "rotate", "add-secret", "add-client")]
    undo = [["enable-client", "first"], None, ["remove-secret", "first", "new"], ["remove-client", "third: one"]]
    killed = finished = 0
    base = TWO.replace("OLD", OLD_HASH)
    begin = time.monotonic()
    place.good("disable-client", "first")
    usual = time.monotonic() - begin
    place.good("enable-client", "first")
    for i in range(KILLS):
        place.write(base) if i % 20 == 0 else None
        number = i % len(commands)
        if undo[number]:
            place.run(*undo[number])
        before, data = place.read(), place.data()
        process = place.start(*commands[number])
        time.sleep(rng.uniform(0, 1.3 * usual))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        finished += process.returncode == DONE
        after = place.read()
        if after != before:
            gone, come = diff(before, after)
            assert 1 <= len(come) <= 6 and len(gone) <= 3
            assert place.data() != data
        assert ": ok" in place.good("check")
        left = [name for name in place.names() if name != "oauth2.yaml"]
        assert set(left) <= {".oauth2.yaml.edit", ".oauth2.yaml.key"}, left
    assert killed > KILLS / 4 and finished + killed == KILLS, (killed, finished)

    # The next edits take away what was left.
    place.write(base)
    for name in ("one", "two"):
        assert (place.directory / f"keys/{name}.pem").exists()
    place.good("rotate")
    place.good("add-client", "last")
    assert place.names() == ["oauth2.yaml"]


def test_keys_of_killed_rotations_do_not_pile_up(place):
    rng = random.Random(11)
    place.write(TWO)
    begin = time.monotonic()
    place.good("rotate")
    usual = time.monotonic() - begin
    for _ in range(60):
        process = place.start("rotate")
        time.sleep(rng.uniform(0.2, 1.1) * usual)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        present = {f"keys/{path.name}" for path in (place.directory / "keys").iterdir()}
        assert listed_keys(place) <= present and len(present - listed_keys(place)) <= 1
    place.good("rotate")
    assert {f"keys/{path.name}" for path in (place.directory / "keys").iterdir()} == listed_keys(place)
    assert place.names() == ["oauth2.yaml"]
    assert ": ok" in place.good("check")


def test_many_editors_at_once(place):
    place.write(TWO)
    commands = [["add-client", f"c{i}"] for i in range(12)] + [["rotate"]] * 3 + \
        [["add-secret", "first", "--label", f"l{i}"] for i in range(5)] + [["disable-client", "first"]]
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        results = list(pool.map(lambda command: place.run(*command), commands))
    assert [result[0] for result in results] == [DONE] * len(commands), results
    data = place.data()
    assert {f"c{i}" for i in range(12)} <= set(data["clients"])
    assert {secret.get("label") for secret in data["clients"]["first"]["secrets"]} == {"old", None, *(f"l{i}" for i in range(5))}
    assert data["clients"]["first"]["enabled"] == "false"
    assert [state for _, state in place.key_states()] == ["retired"] * 3 + ["active", "next"]
    for (_, output, _), command in zip(results, commands):
        if command[0] == "add-client":
            assert data["clients"][command[1]]["secrets"][0]["hash"] == hash_of(secret_of(output))
    assert place.names() == ["oauth2.yaml"]


def test_two_files_one_lock(place):
    """Editors of an included file and of the main one wait for each other."""
    included(place)
    commands = [["add-secret", "a", "--label", f"l{i}"] for i in range(6)] + [["add-client", f"c{i}"] for i in range(6)]
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        results = list(pool.map(lambda command: place.run(*command), commands))
    assert [result[0] for result in results] == [DONE] * len(commands), results
    assert len(place.data("clients.d/1.yaml")["clients"]["a"]["secrets"]) == 7
    assert len(place.data()["clients"]) == 7


# While it serves


def test_a_running_server_takes_each_change(build, place):
    included(place)
    place.write(place.read() + "  x: {secrets: [{hash: \"OLD\"}]}\n")
    socket_path = place.directory / "s"
    with open(place.directory / "log", "wb") as log:
        server = subprocess.Popen([build / "oauth2.fcgi", "--config", place.path, "--listen", socket_path,
                                   "--workers", "2"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(client, secret):
        body = f"grant_type=client_credentials&client_id={client}&client_secret={secret}".encode()
        answer = raw.exchange(socket_path, raw.token_request(body))
        token = json.loads(answer.body).get("access_token")
        return answer.status, json.loads(jwk.base64url_decode(token.split(".")[0]))["kid"] if token else None

    def becomes(condition, what):
        raw.wait_until(condition, NOTICE_S + SLACK_S, what)

    def answers():
        try:
            return raw.exchange(socket_path, raw.get_request("/health")).status == 200
        except (ConnectionError, FileNotFoundError):
            return False

    failures, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            if ask("x", "secret")[0] != 200:
                failures.append(time.monotonic())
            time.sleep(0.01)

    try:
        raw.wait_until(answers, START_S, "it answers")
        watcher = threading.Thread(target=watch)
        watcher.start()
        assert ask("a", "secret")[0] == 200
        place.good("disable-client", "a")
        becomes(lambda: ask("a", "secret")[0] == 401, "a is disabled")
        place.good("enable-client", "a")
        becomes(lambda: ask("a", "secret")[0] == 200, "a is enabled")
        secret = secret_of(place.good("add-client", "new"))
        becomes(lambda: ask("new", secret)[0] == 200, "there is a new client")
        second = secret_of(place.good("add-secret", "new", "--label", "second"))
        becomes(lambda: ask("new", second)[0] == 200, "it has a second secret")
        becomes(lambda: ask("new", secret)[0] == 200, "its first one counts, too, in every process")
        place.good("remove-secret", "new", "")
        becomes(lambda: ask("new", secret)[0] == 401, "the first one is gone")
        place.good("remove-client", "new")
        becomes(lambda: ask("new", second)[0] == 401, "the client is gone")
        old_kid = ask("x", "secret")[1]
        announced = json.loads(place.good("rotate", "--json"))
        rotated = json.loads(place.good("rotate", "--json"))
        assert rotated["retired"] == old_kid and rotated["active"] == announced["next"]
        becomes(lambda: ask("x", "secret")[1] == announced["next"], "the announced key signs")

        def kids():
            document = json.loads(raw.exchange(socket_path, raw.get_request("/jwks")).body)
            return {key["kid"] for key in document["keys"]}

        becomes(lambda: kids() == {old_kid, announced["next"], rotated["next"]}, "all keys are published")
        stop.set()
        watcher.join(10)
        assert failures == [], "each request of a client that nobody changed was answered"
        server.terminate()
        assert server.wait(10) == 0
    finally:
        stop.set()
        server.kill()
        server.wait()
