# SPDX-License-Identifier: MIT
"""`make install` and `make uninstall`, by a user without rights into a home, and below DESTDIR; the units."""

import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from servers import tool

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300
PAGES = ("man1/oauth2-admin.1", "man5/oauth2.yaml.5", "man8/oauth2.fcgi.8")


def make(*arguments, tree=ROOT, env=None, status=0, **rights):
    result = subprocess.run(
        ["make", *map(str, arguments)], cwd=tree, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], **(env or {})}, timeout=TIMEOUT_S, check=False,
        **rights)
    assert (result.returncode != 0) == (status != 0), result.stdout
    return result.stdout


def install(build, *arguments, **options):
    """With the programs that are there already."""
    return make("-o", "all", "install", f"B={build}", *arguments, **options)


def files(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def everything(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


@pytest.fixture(name="home")
def home_of_somebody():
    """A home, and how to be its owner: somebody without rights, if we are root."""
    with tempfile.TemporaryDirectory(prefix="oauth2-install.") as name:
        rights = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            rights = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(name, nobody.pw_uid, nobody.pw_gid)
        yield Path(name), rights


def copy_tree(target, rights):
    """The tree as that user would have it, for a build of its own."""
    ignored = shutil.ignore_patterns(".git", "build", "__pycache__", ".pytest_cache", "tests")
    shutil.copytree(ROOT, target, ignore=ignored)
    for path in [target, *target.rglob("*")]:
        if rights:
            os.chown(path, rights["user"], rights["group"], follow_symlinks=False)


def run(program, *arguments, env=None, **rights):
    return subprocess.run([program, *arguments], text=True, stdin=subprocess.DEVNULL, capture_output=True,
                          env=env or {}, timeout=TIMEOUT_S, check=False, **rights)


def test_in_a_home(home):
    """From the sources to a token by CGI, with the configuration that is built in; then all goes again."""
    directory, rights = home
    prefix = directory / "oauth2-fcgi"
    copy_tree(directory / "tree", rights)
    make(f"-j{os.cpu_count()}", "install", f"PREFIX={prefix}", "CFLAGS=-O0", tree=directory / "tree", **rights)
    installed = everything(prefix)
    admin, program = prefix / "bin/oauth2-admin", prefix / "libexec/oauth2.fcgi"
    assert f"{prefix}/etc/oauth2-fcgi/oauth2.yaml" in run(admin, "--help").stdout

    made = run(admin, "init", prefix / "etc/oauth2-fcgi", **rights)
    assert made.returncode == 0, made.stderr
    health = run(program, env={"REQUEST_METHOD": "GET", "PATH_INFO": "/health"}, **rights)
    assert health.stdout.endswith('{"status":"ok"}'), health.stdout
    body = "grant_type=client_credentials&client_id=first-client&client_secret=" + re.search(
        r"^client_secret: (\S+)$", made.stdout, re.M).group(1)
    answer = subprocess.run(
        [program], input=body, text=True, capture_output=True, timeout=TIMEOUT_S, check=True, **rights,
        env={"REQUEST_METHOD": "POST", "PATH_INFO": "/token", "CONTENT_LENGTH": str(len(body)),
             "CONTENT_TYPE": "application/x-www-form-urlencoded", "REMOTE_ADDR": "127.0.0.1"}).stdout
    token = json.loads(answer.partition("\n\n")[2] or answer.partition("\r\n\r\n")[2])["access_token"]
    verdict = run(admin, "inspect", token, **rights)
    assert verdict.returncode == 0, verdict.stdout

    make("uninstall", f"PREFIX={prefix}", tree=directory / "tree", **rights)
    left = [name for name in everything(prefix) if not name.startswith("etc/oauth2-fcgi")]
    assert left == ["etc"], "only the configuration stays, which install did not make"
    shutil.rmtree(prefix / "etc")
    prefix.rmdir()
    make("install", f"PREFIX={prefix}", "CFLAGS=-O0", tree=directory / "tree", **rights)
    assert everything(prefix) == installed
    make("uninstall", f"PREFIX={prefix}", tree=directory / "tree", **rights)
    assert not prefix.exists()


@pytest.mark.parametrize("names, places", [
    ({}, ("/usr/local", "/etc", "/usr/local/share/doc/oauth2-fcgi")),
    ({"PREFIX": "/usr"}, ("/usr", "/etc", "/usr/share/doc/oauth2-fcgi")),
    ({"PREFIX": "/opt/oauth"}, ("/opt/oauth", "/opt/oauth/etc", "/opt/oauth/share/doc/oauth2-fcgi")),
    ({"prefix": "/opt/oauth", "sysconfdir": "/etc/opt", "docdir": "/opt/doc"}, ("/opt/oauth", "/etc/opt", "/opt/doc")),
    ({"PREFIX": "/opt/a", "SYSCONFDIR": "/srv/b", "DOCDIR": "/srv/c"}, ("/opt/a", "/srv/b", "/srv/c")),
])
def test_below_destdir(build, tmp_path, names, places):
    """All texts name the places of this installation, and no other."""
    dest = tmp_path / "a directory"
    prefix, sysconfdir, docdir = places
    arguments = [f"DESTDIR={dest}", *(f"{name}={value}" for name, value in names.items())]
    install(build, *arguments)
    found = files(dest)
    for name in ("/bin/oauth2-admin", "/libexec/oauth2.fcgi", *(f"/share/man/{page}" for page in PAGES)):
        assert prefix[1:] + name in found
    assert (dest / sysconfdir[1:]).is_dir() and not list((dest / sysconfdir[1:]).iterdir())
    documents = dest / docdir[1:]
    expected = {str(path.relative_to(ROOT / "etc")) for path in (ROOT / "etc").rglob("*") if path.is_file()}
    expected = {name for name in expected if name.split("/")[0] not in ("man", "make", "debian")}
    assert files(documents) - {".installed"} == expected

    texts = [path for path in dest.rglob("*") if path.is_file() and path.suffix not in ("", ".fcgi")]
    texts += [documents / "logrotate/oauth2-fcgi", documents / "shared-hosting/htaccess"]
    for path in texts:
        text = path.read_text()
        for match in re.finditer(r"\S*?([\w./~-]*)/(libexec/oauth2\.fcgi|share/doc/oauth2-fcgi)", text):
            if not match.group(2).startswith("share") or docdir == f"{prefix}/share/doc/oauth2-fcgi":
                assert match.group(1) in (prefix, ""), f"{path}: {match.group()}"
        for match in re.finditer(r"(?<![\w.])(/[\w./-]*)/oauth2-fcgi/oauth2\.yaml", text):
            assert match.group(1) in (sysconfdir, docdir.rsplit("/", 1)[0]), f"{path}: {match.group()}"
    assert f"ExecStart={prefix}/libexec/oauth2.fcgi --config {sysconfdir}/oauth2-fcgi/oauth2.yaml\n" in (
        documents / "systemd/oauth2-fcgi.service").read_text()
    assert f"{docdir}/oauth2.yaml" in (dest / prefix[1:] / "share/man/man5/oauth2.yaml.5").read_text()
    assert os.access(documents / "shared-hosting/oauth2.fcgi.sh", os.X_OK)

    make("uninstall", *arguments)
    assert everything(dest) == []


def test_what_others_put_there_stays(build, tmp_path):
    arguments = [f"DESTDIR={tmp_path}", "PREFIX=/opt"]
    for name in ("opt/bin", "opt/share/man/man1"):
        (tmp_path / name).mkdir(parents=True)
    install(build, *arguments)
    for name in ("opt/libexec/other", "opt/share/doc/oauth2-fcgi/notes"):
        (tmp_path / name).write_text("mine")
    make("uninstall", *arguments)
    assert everything(tmp_path) == ["opt", "opt/bin", "opt/libexec", "opt/libexec/other", "opt/share", "opt/share/doc",
                                    "opt/share/doc/oauth2-fcgi", "opt/share/doc/oauth2-fcgi/notes", "opt/share/man",
                                    "opt/share/man/man1"]


def test_installing_again(build, tmp_path):
    """What an earlier version had, and this one has not, goes; directories are not forgotten."""
    arguments = [f"DESTDIR={tmp_path}", "PREFIX=/opt"]
    install(build, *arguments)
    old, listed = tmp_path / "opt/share/doc/oauth2-fcgi/old.conf", tmp_path / "opt/share/doc/oauth2-fcgi/.installed"
    old.write_text("of an earlier version")
    listed.write_text(listed.read_text() + "/opt/share/doc/oauth2-fcgi/old.conf\n")
    before = everything(tmp_path)
    install(build, *arguments)
    assert everything(tmp_path) == [name for name in before if not name.endswith("/old.conf")]
    make("uninstall", *arguments)
    assert everything(tmp_path) == []
    message = make("uninstall", *arguments, status=1)
    assert "nothing is installed, or with another PREFIX" in message


@pytest.mark.parametrize("argument, complaint", [
    ("PREFIX=relative", "PREFIX=relative is no absolute path"),
    ("PREFIX=/opt/a b", "PREFIX=/opt/a b has a character other than"),
    ("SYSCONFDIR=/etc/a'b", "SYSCONFDIR=/etc/a'b has a character other than"),
    ("DOCDIR=/a&b", "DOCDIR=/a&b has a character other than"),
    ("PREFIX=", "PREFIX= is no absolute path"),
])
def test_places_that_cannot_be(build, tmp_path, argument, complaint):
    assert complaint in install(build, f"DESTDIR={tmp_path}", argument, status=1)
    assert everything(tmp_path) == []


# The units


@pytest.fixture(name="units", scope="module")
def installed_units(build, tmp_path_factory):
    """Where they are, with the program at the place that they name."""
    prefix = tmp_path_factory.mktemp("units")
    install(build, f"PREFIX={prefix}")
    return prefix / "share/doc/oauth2-fcgi/systemd"


def test_units_are_accepted(units):
    result = run(tool("systemd-analyze"), "verify", "--man=no", units / "oauth2-fcgi.socket",
                 units / "oauth2-fcgi.service", env={"PATH": os.environ["PATH"]})
    assert result.returncode == 0, result.stderr
    assert "oauth2-fcgi" not in result.stderr, result.stderr


def test_units_leave_little_to_attack(units):
    """The figure of systemd itself, times ten; 100 is a service without any limits."""
    result = run(tool("systemd-analyze"), "security", "--no-pager", "--offline=true", "--threshold=3",
                 units / "oauth2-fcgi.service", env={"PATH": os.environ["PATH"]})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Overall exposure level" in result.stdout


def test_tmpfiles_and_units_agree(units):
    directories = {line.split()[1]: line.split()[2:] for line in
                   (units / "oauth2-fcgi.tmpfiles").read_text().splitlines() if line.startswith("d ")}
    service = (units / "oauth2-fcgi.service").read_text()
    listening = (units / "oauth2-fcgi.socket").read_text()
    user = re.search(r"^User=(.*)", service, re.M).group(1)
    for key, parent in (("State", "/var/lib"), ("Logs", "/var/log")):
        name = re.search(rf"^{key}Directory=(.*)", service, re.M).group(1)
        mode = re.search(rf"^{key}DirectoryMode=(.*)", service, re.M).group(1)
        assert directories.pop(f"{parent}/{name}") == [mode, user, user]
    place = Path(re.search(r"^ListenStream=(.*)", listening, re.M).group(1)).parent
    assert directories == {str(place): [re.search(r"^DirectoryMode=(.*)", listening, re.M).group(1), "root", "root"]}
