# SPDX-License-Identifier: MIT
"""What does not depend on how busy the machine is: instructions of a token, memory after many."""
import os
import re

import fastcgi
import sites
from processes import Failed, memory_kb, output_of, tool

FEW, MANY = 64, 128


def new_site(build, directory, name):
    os.makedirs(directory)
    sites.configuration(build, name)(directory, 80)
    return [f"{build}/oauth2.fcgi", "--config", f"{directory}/oauth2.yaml"]


def under_callgrind(directory):
    return [tool("valgrind"), "--tool=callgrind", f"--callgrind-out-file={directory}/callgrind"]


def collected(words):
    found = re.search(r"Collected : (\d+)", words)
    if not found:
        raise Failed(f"callgrind: {words[-300:]}")
    return int(found.group(1))


def of_requests(directory, command, request, count):
    """Instructions of a process from its start to its end, with so many requests between."""
    worker = fastcgi.Worker(directory, *under_callgrind(directory), *command)
    try:
        answer = worker.ask(fastcgi.encode(request), count)
    finally:
        worker.stop()
    if (b'"access_token"' in answer) == (request.refused is not None):
        raise Failed(f"callgrind: {answer[-200:]!r}")
    return collected(worker.words())


def each(run):
    """Of one of many: a difference, so that starts cancel."""
    return (run(MANY) - run(FEW)) / (MANY - FEW)


def of_signature(build, directory):
    """Instructions of one bare signature with the directory's key."""
    return each(lambda n: collected(output_of(
        *under_callgrind(directory), f"{build}/bench/unit", f"{directory}/key.pem", str(n))))


def instructions(build, directory):
    """Those of a token, of a refusal and of one bare signature."""
    command = new_site(build, directory, "RS256")
    return {
        "token": each(lambda n: of_requests(directory, command, sites.TOKEN, n)),
        "floor": each(lambda n: of_requests(directory, command, sites.FLOOR, n)),
        "sign": of_signature(build, directory),
    }


def memory(build, directory, tokens):
    """Memory in KB of one process after half of the tokens and after all of them."""
    worker = fastcgi.Worker(directory, *new_site(build, directory, "RS256"))
    encoded = fastcgi.encode(sites.TOKEN)
    try:
        worker.ask(encoded, 100)
        start_kb = memory_kb(worker.popen.pid)
        worker.ask(encoded, tokens // 2 - 100)
        half_kb = memory_kb(worker.popen.pid)
        answer = worker.ask(encoded, tokens - tokens // 2)
        end_kb = memory_kb(worker.popen.pid)
    finally:
        worker.stop()
    if b'"access_token"' not in answer:
        raise Failed(f"no token: {answer[-200:]!r}")
    return {"tokens": tokens, "start_kb": start_kb, "half_kb": half_kb, "end_kb": end_kb}
