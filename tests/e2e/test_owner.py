# SPDX-License-Identifier: MIT
"""What root makes in somebody's directory belongs to them: init, keygen, rotate, and the state."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

DONE, FAILED = 0, 1
ROOT, USER, GROUP = 0, 4711, 4712


@pytest.fixture(name="place")
def place_of_somebody():
    """A directory of a user who is not root."""
    if os.geteuid() != ROOT:
        pytest.fail("these tests are about what root makes for other users: run them as root", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="oauth2-owner.") as name:
        os.chmod(name, 0o755)
        path = Path(name) / "theirs"
        path.mkdir(0o750)
        os.chown(path, USER, GROUP)
        yield path


@pytest.fixture(name="admin")
def program(build):
    def run(*arguments, status=DONE, **options):
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        environ.update({name: os.environ[name] for name in os.environ if name.endswith("SAN_OPTIONS")})
        result = subprocess.run([build / "oauth2-admin", *map(str, arguments)], stdin=subprocess.DEVNULL, text=True,
                                capture_output=True, timeout=60, check=False, env=environ, **options)
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr
    return run


def owners(directory):
    """{relative name: (user, group, mode)} of all that is there."""
    found = {}
    for path in [directory, *directory.rglob("*")]:
        st = path.lstat()
        found[str(path.relative_to(directory))] = (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode))
    return found


def test_init(admin, place):
    admin("init", place)
    found = owners(place)
    assert {(user, group) for user, group, _ in found.values()} == {(USER, GROUP)}
    assert (found["oauth2.yaml"][2], found["keys"][2], found["state"][2]) == (0o640, 0o700, 0o700)
    assert len(found) == 5


def test_init_through_a_link(admin, place):
    link = place.parent / "link"
    link.symlink_to(place)
    admin("init", link)
    assert {(user, group) for user, group, _ in owners(place).values()} == {(USER, GROUP)}
    assert link.lstat().st_uid == ROOT


def test_init_of_a_new_directory_is_root_s(admin, place):
    """Who made it owns it, whoever owns the one above."""
    admin("init", place / "new")
    assert {(user, group) for user, group, _ in owners(place / "new").values()} == {(ROOT, ROOT)}


def test_init_in_a_directory_that_its_owner_may_not_write_to(admin, place):
    place.chmod(0o550)
    assert "Permission denied" in admin("init", place, status=FAILED)
    assert list(place.iterdir()) == []


def test_init_that_fails_gives_nothing_away(admin, place):
    (place / "mine").write_text("root's")
    assert "is not empty" in admin("init", place, status=FAILED)
    assert owners(place)["mine"][:2] == (ROOT, ROOT)
    (place / "mine").unlink()
    assert "nothing is made" in admin("init", place, "--issuer", "ftp://x", status=FAILED)
    assert list(place.iterdir()) == []


def test_keygen(admin, place):
    admin("keygen", "--alg", "ES256", "--out", place / "key.pem")
    admin("keygen", "--alg", "ES256", "--out", "in.pem", cwd=place)
    admin("keygen", "--alg", "ES256", "--out", place.parent / "root.pem")
    assert owners(place)["key.pem"] == owners(place)["in.pem"] == (USER, GROUP, 0o600)
    assert owners(place.parent)["root.pem"] == (ROOT, ROOT, 0o600)


def test_keygen_follows_and_gives_away_nothing(admin, place):
    """Names that the owner has prepared for root."""
    mine = place.parent / "mine"
    mine.write_text("root's")
    (place / "link.pem").symlink_to(mine)
    (place / "dangling.pem").symlink_to(place.parent / "new")
    os.link(mine, place / "hard.pem")
    before = owners(place.parent)
    for name in ("link.pem", "dangling.pem", "hard.pem"):
        assert "exists" in admin("keygen", "--alg", "ES256", "--out", place / name, status=FAILED)
    assert owners(place.parent) == before
    assert mine.read_text() == "root's"


def test_rotate_and_clients(admin, place):
    admin("init", place)
    config = place / "oauth2.yaml"
    admin("-c", config, "rotate")
    admin("-c", config, "rotate")
    admin("-c", config, "add-client", "more", "--scope", "identity_proofing")
    token = admin("-c", config, "token", "first-client")
    admin("-c", config, "revoke", re.search(r'"access_token": ?"([^"]+)"', token).group(1))
    found = owners(place)
    assert {(user, group) for user, group, _ in found.values()} == {(USER, GROUP)}
    assert len([name for name in found if name.startswith("keys/")]) == 3
    assert any(name.startswith("state/") for name in found)


def test_others_stay_who_they_are(build, place):
    """Without root's rights nothing changes, also in a directory of somebody else that lets all in."""
    place.chmod(0o777)
    copied = shutil.copy(build / "oauth2-admin", place.parent)  # the build may be where others do not come
    result = subprocess.run([copied, "keygen", "--alg", "ES256", "--out", place / "key.pem"], user=4713, group=4714,
                            extra_groups=[], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == DONE, result.stderr
    assert owners(place)["key.pem"] == (4713, 4714, 0o600)
