# SPDX-License-Identifier: MIT
"""A host where a user has a directory and nothing else: .htaccess and the wrapper of etc/shared-hosting."""

import pytest
import requests

import http_client
import servers
from configurations import SECRETS
from test_cases import decoded

HTACCESS = "shared-hosting/htaccess"
WRAPPER = "shared-hosting/oauth2.fcgi.sh"
SET_ENV_IF = 'SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1'
PASS_AUTH = "CGIPassAuth On"
REWRITE = "RewriteRule ^ - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]"

# Which line of the file passes the header on, and what the host must allow for it.
VARIANTS = {
    "SetEnvIf": (SET_ENV_IF, "FileInfo Options"),
    "CGIPassAuth": (PASS_AUTH, "FileInfo Options AuthConfig"),
    "RewriteRule": (REWRITE, "FileInfo Options"),
    # As hosts do it whose rules end the rewriting: only REDIRECT_HTTP_AUTHORIZATION arrives.
    "RewriteRule, END": ("end", "FileInfo Options"),
    "nothing": (None, "FileInfo Options"),
    "all three": ("all", "All"),
}

# suEXEC starts a program with these variables only (and HTTP_*, SSL_*).
SUEXEC = """\
#!/usr/bin/python3
import os
import sys

SAFE = '''AUTH_TYPE CONTENT_LENGTH CONTENT_TYPE CONTEXT_DOCUMENT_ROOT CONTEXT_PREFIX DATE_GMT DATE_LOCAL
DOCUMENT_NAME DOCUMENT_PATH_INFO DOCUMENT_ROOT DOCUMENT_URI GATEWAY_INTERFACE HTTPS LAST_MODIFIED PATH_INFO
PATH_TRANSLATED QUERY_STRING QUERY_STRING_UNESCAPED REMOTE_ADDR REMOTE_HOST REMOTE_IDENT REMOTE_PORT
REMOTE_USER REDIRECT_ERROR_NOTES REDIRECT_HANDLER REDIRECT_QUERY_STRING REDIRECT_REMOTE_USER
REDIRECT_SCRIPT_FILENAME REDIRECT_STATUS REDIRECT_URL REQUEST_METHOD REQUEST_URI REQUEST_SCHEME
SCRIPT_FILENAME SCRIPT_NAME SCRIPT_URI SCRIPT_URL SERVER_ADMIN SERVER_NAME SERVER_ADDR SERVER_PORT
SERVER_PROTOCOL SERVER_SIGNATURE SERVER_SOFTWARE UNIQUE_ID USER_NAME TZ'''.split()
kept = {name: value for name, value in os.environ.items()
        if name in SAFE or name.startswith(("HTTP_", "SSL_"))}
kept["PATH"] = "/usr/local/bin:/usr/bin:/bin"
os.execve(os.path.dirname(sys.argv[0]) + "/wrapper.sh", [sys.argv[0]], kept)
"""


def htaccess(active, certificates=False):
    """The file, with one of its three lines in force (or none, or all)."""
    text = (servers.ETC / HTACCESS).read_text()
    if certificates:
        text = servers.replace(text, f"\n#{servers.APACHE_EXPORT}\n", f"\n{servers.APACHE_EXPORT}\n",
                               "etc/" + HTACCESS)
    for line in (SET_ENV_IF, PASS_AUTH, REWRITE):
        shown = line if line == SET_ENV_IF else "#" + line
        wanted = line if active in (line, "all") or (active, line) == ("end", REWRITE) else "#" + line
        text = servers.replace(text, "\n" + shown + "\n", "\n" + wanted + "\n", "etc/" + HTACCESS)
    return servers.replace(text, "[L]", "[END]", "etc/" + HTACCESS) if active == "end" else text


def install(front, variant, scrub):
    """What the user uploads: .htaccess, and the wrapper in its place."""
    active, override = VARIANTS[variant]
    front.write("htdocs/.htaccess", htaccess(active, front.settings.client_certificates is not None))
    wrapper = front.write("htdocs/oauth2/oauth2.fcgi", servers.snippet(WRAPPER, "", {
        servers.INSTALLED_PROGRAM: front.program,
        servers.INSTALLED_CONFIGURATION: front.config_file,
    }))
    wrapper.chmod(0o755)
    if scrub:
        wrapper.rename(wrapper.parent / "wrapper.sh")
        front.write("htdocs/oauth2/oauth2.fcgi", SUEXEC).chmod(0o755)
    return front.write("host.conf", f'<Directory "{front.directory}/htdocs">\n'
                       f"    Require all granted\n    AllowOverride {override}\n</Directory>\n")


def starter(variant, module, scrub):
    """The host: an Apache that knows of directories with .htaccess, and nothing of us."""
    def start(front):
        path = install(front, variant, scrub)
        extra = {
            "cgid": f"ScriptSock {front.directory}/run/cgid.sock",
            "fcgid": f"FcgidIPCDir {front.directory}/run\nFcgidProcessTableFile {front.directory}/run/table",
        }[module]
        more = "" if front.settings.client_certificates is None else HOST_CERTIFICATES.format(ca=front.client_ca)
        servers.run_apache(front, servers.apache_text(
            front, path, ["alias", "env", "setenvif", "rewrite", module], extra, more=more))
    return start


# What only the host can set.
HOST_CERTIFICATES = """\
    SSLVerifyClient optional
    SSLCACertificateFile "{ca}"
    RewriteEngine On
"""

CASES = [(variant, module, scrub) for variant in VARIANTS
         for module, scrub in (("cgid", False), ("cgid", True), ("fcgid", True))]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(
    [case[0], case[1], "suexec" if case[2] else "plain"]))
def host(request, site):
    variant, module, scrub = request.param
    name = f"shared-{VARIANTS_SHORT[variant]}-{module}{'-suexec' if scrub else ''}"
    front = site.front(name, "default", starter(variant, module, scrub))
    front.root = f"http://127.0.0.1:{front.port}"
    front.variant, front.module, front.scrub = request.param
    # suEXEC does not let REDIRECT_HTTP_AUTHORIZATION through to a CGI program.
    front.has_header = not (variant == "nothing"
                            or (variant, module, scrub) == ("RewriteRule, END", "cgid", True))
    yield front
    front.stop()


VARIANTS_SHORT = {name: str(index) for index, name in enumerate(VARIANTS)}


def token_request(host, **options):
    return requests.post(host.root + "/oauth2/token", timeout=30, **options)


def test_basic(host):
    mark = host.log.mark()
    response = token_request(host, auth=("TENANT_CLIENT_ID", SECRETS["TENANT_CLIENT_ID"]),
                             data={"grant_type": "client_credentials"})
    line, = host.log.wait_for_lines(mark, lambda line: line.get("status"))
    if host.has_header:
        assert response.status_code == 200, response.text
        assert response.json()["scope"] == "identity_proofing"
        assert line["auth_method"] == "client_secret_basic"
    else:
        assert response.status_code == 401 and response.json()["error"] == "invalid_client"
        assert "CGIPassAuth" in line["reason"], "the log must name what is missing"
    assert SECRETS["TENANT_CLIENT_ID"] not in host.log.text(mark)


@pytest.mark.parametrize("query", ["x", "a+b", "--config+/nonexistent", "--config+CONFIG",
                                   "a+b+c"])
def test_words_in_the_query(host, query):
    """No client can replace the wrapper's configuration by words that a server may take for
    arguments, not even one that knows its path."""
    query = query.replace("CONFIG", str(host.config_file))
    response = requests.post(f"{host.root}/oauth2/token?{query}", auth=("TENANT_CLIENT_ID", "wrong"),
                             data={"grant_type": "client_credentials"}, timeout=30)
    assert response.status_code == 401 and response.json()["error"] == "invalid_client"


def test_basic_with_a_wrong_secret(host):
    response = token_request(host, auth=("TENANT_CLIENT_ID", "wrong"),
                             data={"grant_type": "client_credentials"})
    assert response.status_code == 401 and response.json()["error"] == "invalid_client"
    assert response.headers["WWW-Authenticate"] == 'Basic realm="http://localhost", charset="UTF-8"'


def test_post(host):
    response = token_request(host, data={
        "grant_type": "client_credentials", "client_id": "TENANT_CLIENT_ID",
        "client_secret": SECRETS["TENANT_CLIENT_ID"]})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert response.headers["Cache-Control"] == "no-store"


def test_documents(host):
    assert requests.get(host.root + "/oauth2/health", timeout=30).json() == {"status": "ok"}
    assert len(requests.get(host.root + "/oauth2/jwks", timeout=30).json()["keys"]) == 3
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
                 "/oauth2/.well-known/openid-configuration"):
        response = requests.get(host.root + path, timeout=30)
        assert response.status_code == 200, f"{path}: {response.text}"
        assert response.json()["token_endpoint"] == "http://localhost/oauth2/token"


def test_answers_are_not_replaced(host):
    unknown = requests.get(host.root + "/oauth2/nothing", timeout=30)
    assert unknown.status_code == 404 and unknown.json()["error"] == "not_found"
    get = requests.get(host.root + "/oauth2/token", timeout=30)
    assert get.status_code == 405 and get.headers["Allow"] == "POST"
    assert get.json()["error"] == "invalid_request"


@pytest.mark.parametrize("module, scrub", [("cgid", True), ("fcgid", True), ("cgid", False)])
def test_client_certificates(site, module, scrub):
    """A host that asks for them; one line of .htaccess hands them on."""
    name = f"shared-mtls-{module}{'-suexec' if scrub else ''}"
    front = site.front(name, "strong", starter("SetEnvIf", module, scrub))
    body = b"grant_type=client_credentials&client_id=tls-bound"
    request = http_client.build("POST", front.path("token"), [
        ("Content-Type", "application/x-www-form-urlencoded"), ("SSL-Client-Verify", "SUCCESS")], body)
    answer = front.exchange(request, certificate="dn")
    assert answer.status == 200, answer.body
    claims = decoded(answer.json()["access_token"].split(".")[1])
    assert claims["cnf"] == {"x5t#S256": site.certificates.thumbprint("dn")}
    for certificate in ("other", None):
        refused = front.exchange(request, certificate=certificate)
        assert refused.status == 401 and refused.json()["error"] == "invalid_client"
    front.stop()
