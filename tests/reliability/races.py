#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What must happen once, whoever asks at the same time; what must not be lost, whoever dies; who must not be starved;
and what no restart, reload or rotation may cost. One row for each figure."""

import argparse
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "bench")]

# pylint: disable=wrong-import-position
import configurations
import crowd
import killing
import lifecycle
import racing
from memory import directory_for_state, new_state
from processes import directory_for_servers, output_of
from test_races import CONFIG
from table import Table

# Refusals are not what is looked at here: a line for each would only fill the disk.
MORE = """\
  eddsa: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:eddsa>}
  secret-jwt: {scopes: [email], auth_methods: [client_secret_jwt], secrets: [{file: secret-jwt}]}
state: <state>
log: {level: error}
"""


class Bench:
    """Makes places for servers, as the parts want them."""

    def __init__(self, build, directory, states):
        self.build = build
        self.directory = directory
        self.states = states

    def place(self, state=None):
        """A directory with a configuration, and a new store unless one is named; with a path that suits a socket."""
        place = Path(tempfile.mkdtemp(prefix="r", dir=self.directory))
        (place / "oauth2.yaml").write_text(configurations.render(CONFIG + MORE, state=state or new_state(self.states)))
        output_of(self.build / "oauth2-admin", "keygen", "--alg", "ES256", "--out", str(place / "key.pem"))
        secret = place / "secret-jwt"
        secret.write_text(configurations.SECRETS["secret-jwt"] + "\n")
        secret.chmod(0o600)
        return place


PARTS = {
    "replay": racing.measure,
    "killed": killing.measure,
    "crowd": crowd.measure,
    "lifecycle": lifecycle.measure,
}
SIZES = {
    "assertions": (100000, "sent by 16 processes each"),
    "race-kills": (1000, "of workers meanwhile"),
    "proofs": (10000, "sent by 16 processes each"),
    "redis": (5000, "assertions, and a fifth as many proofs, through two servers and a Redis"),
    "kills": (2000, "of random processes during writes"),
    "disks": (1000, "times that a full disk has room again"),
    "slow": (1000, "bodies that come slowly"),
    "good": (5000, "requests of good clients meanwhile"),
    "connections": (10000, "at the same time"),
    "signals": (1000, "SIGTERM for each web server"),
    "rotations": (100, "of keys, and ten times as many reloads"),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="directory with the programs (default: build)")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="these parts alone")
    for name, (size, what) in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"{what} (default: {size})")
    parser.add_argument("--untimed", action="store_true", help="show times that a busy machine spoils, do not judge")
    return parser.parse_args()


def more_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    options = parse()
    more_descriptors()
    table = Table(timed=not options.untimed)
    with directory_for_servers() as directory, directory_for_state() as states:
        bench = Bench(Path(options.build).resolve(), directory, states)
        for name in options.only:
            begin = time.monotonic()
            try:
                PARTS[name](bench, options, table)
            except Exception as failure:    # pylint: disable=broad-except
                traceback.print_exc()
                table.fail(name, f"{type(failure).__name__}: {failure}")
            print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    table.show()
    sys.exit(0 if table.is_good else 1)


if __name__ == "__main__":
    main()
