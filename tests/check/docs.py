#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manuals, the README, --help, the configuration's tables and its example say the same."""
import html
import os
import pathlib
import re
import subprocess
import sys

BUILD = os.environ["BUILD"]
MANUALS = {"oauth2.fcgi": "etc/man/oauth2.fcgi.8", "oauth2-admin": "etc/man/oauth2-admin.1",
           "oauth2.yaml": "etc/man/oauth2.yaml.5"}
findings = []


def expect(condition, text):
    if not condition:
        findings.append(text)


def text_of(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def run(*command):
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            check=False)
    return result.stdout


def rendered(path):
    """A manual as a reader sees it, on one line."""
    page = re.sub(r"<head>.*?</head>|</?(?!dt|dd|div|p|br)[^>]*>", "", run("mandoc", "-T", "html", path),
                  flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def check_lint():
    for path in MANUALS.values():
        out = run("mandoc", "-T", "lint", "-W", "warning", path)
        expect(not out.strip(), out.strip())


def admin_commands():
    return sorted({name.replace("_", "-")
                   for name in re.findall(r"\bcmd_(\w+)\b", text_of("fcgi/admin/main.c"))})


def check_help():
    """Every option and command of --help is in the manual and the other way round."""
    option = r"(?<![\w-])--[a-z][a-z-]+"
    admin = f"{BUILD}/oauth2-admin"
    helps = {"oauth2.fcgi": run(f"{BUILD}/oauth2.fcgi", "--help"),
             "oauth2-admin": run(admin, "--help") +
                             "".join(run(admin, command, "--help") for command in admin_commands())}
    for program, shown in helps.items():
        manual = rendered(MANUALS[program])
        for name in sorted(set(re.findall(option, shown)) - set(re.findall(option, manual))):
            findings.append(f"{MANUALS[program]}: {name} of --help is missing")
        for name in sorted(set(re.findall(option, manual)) - set(re.findall(option, shown))):
            findings.append(f"{MANUALS[program]}: {name} is not in --help")
        expect("--help" in shown, f"{program} --help does not show its options")


def check_commands():
    manual = rendered(MANUALS["oauth2-admin"])
    shown = run(f"{BUILD}/oauth2-admin", "--help")
    expect(admin_commands(), "fcgi/admin/main.c: no table of commands found")
    for name in admin_commands():
        for where, text in (("its manual", manual), ("--help", shown)):
            expect(re.search(rf"(?<![\w-]){name}(?![\w-])", text),
                   f"oauth2-admin: the command {name} is missing in {where}")


def schema_keys():
    """The names in the tables of lib/config: rows of struct schema_key start with .name."""
    keys = set()
    for path in pathlib.Path("lib/config").glob("*.c"):
        text = path.read_text(encoding="utf-8")
        for table in re.findall(r"struct schema_key \w+\[\] = \{(.*?)\n\};", text, re.S):
            keys |= set(re.findall(r"\{\s*(?:\.name = )?\"(\w+)\"", table))
    return keys


def check_keys():
    keys = schema_keys()
    expect(len(keys) > 40, f"lib/config: only {len(keys)} keys found in the tables")
    manual = set(re.findall(r"^\.It Cm (\w+) :", text_of(MANUALS["oauth2.yaml"]), re.M))
    example = set(re.findall(r"^[ #]*(?:- )?\{?([a-z0-9_]+):", text_of("etc/oauth2.yaml"), re.M))
    example |= set(re.findall(r"[{,] ?([a-z0-9_]+):", text_of("etc/oauth2.yaml")))
    # One of these excludes the others, so that only one can stand there as a key.
    example |= set(re.findall(r"\btls_client_auth_\w+", text_of("etc/oauth2.yaml")))
    for name in sorted(keys - manual):
        findings.append(f"{MANUALS['oauth2.yaml']}: the key {name} is missing")
    for name in sorted(manual - keys):
        findings.append(f"{MANUALS['oauth2.yaml']}: {name} is no key of lib/config")
    for name in sorted(keys - example):
        findings.append(f"etc/oauth2.yaml: the key {name} is missing")


def check_events():
    """Each event that the log can have is in the manual's list of them."""
    manual = text_of(MANUALS["oauth2.yaml"])
    listed = re.findall(r"^\.Li (\S+)", manual[manual.index(".It Li event"):manual.index(".It Li client_id")], re.M)
    events = set()
    for path in [*pathlib.Path("lib").rglob("*.c"), *pathlib.Path("fcgi").glob("*.c")]:
        text = text_of(path)
        events |= set(re.findall(r"(?:\.|->)event = \"([a-z.]+)\"", text))
        events |= set(re.findall(r"LOG_LEVEL_\w+, \"([a-z]+\.[a-z]+)\"", text))
    expect({"token.issued", "config.loaded"} <= events, f"only these events found: {sorted(events)}")
    for name in sorted(events):
        expect(name in listed, f"{MANUALS['oauth2.yaml']}: the event {name} is missing")


def check_endpoints():
    """Each endpoint is in the manual and in the README."""
    names = re.findall(r"\.name = STR_CONST\(\"(/[\w./-]+)\"\)", text_of("lib/oauth/route.c"))
    manual = rendered(MANUALS["oauth2.fcgi"])
    readme = text_of("README.md")
    expect("/token" in names, f"lib/oauth/route.c: only these endpoints found: {names}")
    for name in names:
        expect(f" {name} " in manual.replace(",", " "), f"{MANUALS['oauth2.fcgi']}: {name} is missing")
        expect(name in readme, f"README.md: the endpoint {name} is missing")


def check_variables():
    """The variables of the web server, beside those of the CGI, that the code reads are in the manual."""
    manual = text_of(MANUALS["oauth2.fcgi"])
    names = set()
    for path in pathlib.Path("lib/oauth").glob("*.[ch]"):
        names |= set(re.findall(r"\"(SSL_\w+)\"", text_of(path)))
    expect(names, "lib/oauth: no variable SSL_... found")
    for name in sorted(names):
        expect(name in manual, f"{MANUALS['oauth2.fcgi']}: the variable {name} is missing")


# Numbers of the code that the manual names: where, which macro, and the manual's words by its value.
LIMITS = (
    ("lib/config/server.c", "WINDOW_MAX", lambda n: f"Seconds, 1 to {n}; default 60"),
    ("lib/domain/snapshot.h", "ASSERTION_LEEWAY_MAX", lambda n: f"Seconds, 0 to {n}; default 10"),
    ("lib/oauth/auth_assertion.c", "ASSERTION_MAX", lambda n: f"a JWT of at most {n} bytes"),
    ("lib/oauth/dpop.c", "AGE_MAX_S", lambda n: f"At most {n} seconds ago"),
    ("lib/oauth/dpop.c", "AHEAD_MAX_S", lambda n: f"ago, and {n} ahead"),
    ("lib/state/store_lmdb.c", "THROTTLE_MAX", lambda n: f"above {n:,} records"),
    ("lib/state/lmdb_env.c", "MAP_SIZE", lambda n: f"The data takes {n} MiB at most"),
    ("lib/state/store_redis.c", "OPERATION_LIMIT_US", lambda n: f"within {n // 1000} milliseconds"),
)


def check_limits():
    manual = rendered(MANUALS["oauth2.yaml"])
    for path, macro, words in LIMITS:
        found = re.search(rf"^#define {macro}\s+(?:INT64_C\(|\(\(size_t\))?(\d+)", text_of(path), re.M)
        expect(found, f"{path}: {macro} is not found")
        if found:
            expect(words(int(found.group(1))) in manual,
                   f"{MANUALS['oauth2.yaml']}: {macro} is missing: {words(int(found.group(1)))}")


def reasons():
    """(name, status, error, description) of every row of reason.def that reaches a client."""
    out = subprocess.run(["cc", "-E", "-P", "-x", "c", "-Ilib", "-"], check=True, text=True,
                         input='#define REASON(...) ROW(__VA_ARGS__)\n#include "util/reason.def"\n',
                         stdout=subprocess.PIPE).stdout
    out = re.sub(r'"\s*"', "", out)
    text = r'"((?:[^"\\]|\\.)*)"'
    return re.findall(rf"ROW\(\w+, {text}, ([1-9]\d*), {text}, {text}\)", out)


def check_reasons():
    rows = reasons()
    expect(len(rows) > 30, f"lib/util/reason.def: only {len(rows)} rows found")
    manual = rendered(MANUALS["oauth2.yaml"])
    readme = text_of("README.md")
    for status, error in sorted({(status, error) for _, status, error, _ in rows}):
        expect(re.search(rf"^\| `{error}` \|[\d, ]*\b{status}\b[\d, ]*\|", readme, re.M),
               f"README.md: the error {error} with status {status} is missing")
    for name, status, _, description in rows:
        expect(f"{status} {name} " in manual, f"{MANUALS['oauth2.yaml']}: the reason is missing: {name}")
        expect(description in manual, f"{MANUALS['oauth2.yaml']}: the text is missing: {description}")


def check_readme():
    """Each directory is in the map; each file that is named exists; each hop's function is there."""
    readme = text_of("README.md")
    for top in ("lib", "fcgi", "etc", "tests"):
        for path in pathlib.Path(top).rglob("*"):
            name = path.as_posix()
            if path.is_dir() and path.name != "__pycache__" and any(path.iterdir()):
                parent = path.parent.as_posix()
                named = f"`{name}`" in readme or f"`{name}/`" in readme
                expect(named or name.count("/") > 1 and f"`{parent}/`" in readme,
                       f"README.md: the map does not name {name}")
    for name in set(re.findall(r"`((?:lib|fcgi|etc|tests)/[\w./-]+)`", readme)):
        expect(pathlib.Path(name).exists(), f"README.md: there is no {name}")
    hops = re.findall(r"^\| \d+ \|.*$", readme, re.M)
    expect(len(hops) == 8, f"README.md: {len(hops)} hops, not eight")
    for hop in hops:
        for path, functions in re.findall(r"`([\w/]+\.c)`:((?:,? ?`\w+`)+)", hop):
            for function in re.findall(r"`(\w+)`", functions):
                expect(re.search(rf"^[\w].*\b{function}\(", text_of(path), re.M),
                       f"README.md: {path} has no function {function}")


# What the files for the web servers must have, by how their names begin.
SERVER_LINES = {
    "apache": ("CGIPassAuth On", "SSLVerifyClient optional", "SSLCACertificateFile", "ExportCertData",
               "SSLVerifyClient optional_no_ca", "SSLProtocol -all +TLSv1.3"),
    "lighttpd": ("ssl.verifyclient.activate", "ssl.verifyclient.enforce", "ssl.verifyclient.exportcert",
                 "ssl.verifyclient.ca-file"),
    "nginx": ("ssl_verify_client optional;", "optional_no_ca", "ssl_client_certificate",
              "SSL_CLIENT_VERIFY $ssl_client_verify", "SSL_CLIENT_CERT $ssl_client_escaped_cert", 'HTTP_PROXY ""'),
}


def check_servers():
    """Each file for a web server is in the README's table, and has what README and manual say it has."""
    readme = text_of("README.md")
    manual = rendered(MANUALS["oauth2.yaml"])
    for path in sorted(pathlib.Path("etc").glob("*.conf")):
        expect(re.search(rf"^\|.*`{path}` \|$", readme, re.M), f"README.md: the table has no {path}")
        text = text_of(path)
        expect("/etc/oauth2-fcgi/client-ca.pem" in text, f"{path}: the file of README's authority is missing")
        server = re.match(r"[a-z]+", path.name).group()
        expect(server in SERVER_LINES, f"{path}: a server that this check does not know")
        for line in SERVER_LINES.get(server, ()):
            expect(line in text, f"{path}: {line} is missing")
    for line in sum(SERVER_LINES.values(), ()):
        word = line.split()[0].rstrip(";")
        expect(word in manual or "CGIPassAuth" in line or "HTTP_PROXY" in line,
               f"{MANUALS['oauth2.yaml']}: {word} is missing")
    expect("/etc/oauth2-fcgi/client-ca.pem" in readme, "README.md: does not say where the authority goes")


for check in (check_lint, check_help, check_commands, check_keys, check_events, check_endpoints, check_variables,
              check_limits, check_reasons, check_servers, check_readme):
    try:
        check()
    except OSError as error:
        findings.append(f"{check.__name__}: {error}")
print("\n".join(findings), end="\n" if findings else "")
sys.exit(bool(findings))
