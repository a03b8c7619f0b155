#!/bin/sh
# SPDX-License-Identifier: MIT
# Install what is missing for the groups named as arguments; use no network when nothing is.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# group | Debian package | how to see that it is there | what it is elsewhere
packages() {
    cat <<'END'
build    gcc                   command cc                a C17 compiler (gcc or clang)
build    libc6-dev             header stdio.h            the C library's headers
build    pkg-config            command pkg-config        pkg-config
build    libssl-dev            library libcrypto         OpenSSL 3, with headers
build    libyaml-dev           library yaml-0.1          libyaml, with headers
build    libjansson-dev        library jansson           jansson, with headers
build    liblmdb-dev           library lmdb              LMDB, with headers
build    libhiredis-dev        library hiredis           hiredis 0.14 or later, with headers
build    libseccomp-dev        library libseccomp        libseccomp 2.5 or later, with headers
build    libcurl4-openssl-dev  library libcurl         libcurl, with headers
build    libcrypt-dev          header crypt.h            libxcrypt (crypt_r with yescrypt), with headers
run      lighttpd              command lighttpd          lighttpd
run      curl                  command curl              curl
run      util-linux            command setsid            setsid (of util-linux)
test     libcmocka-dev         header cmocka.h           cmocka, with headers
test     nginx-light           command nginx             nginx
test     apache2               command apache2           Apache httpd 2.4
test     libapache2-mod-fcgid  apache mod_fcgid.so       its module mod_fcgid
test     libapache2-mod-oauth2 apache mod_oauth2.so      its module mod_oauth2
test     libapache2-mod-auth-openidc apache mod_auth_openidc.so its module mod_auth_openidc
test     libnginx-mod-http-js  nginx ngx_http_js_module.so nginx's module njs, for http
test     lighttpd-mod-openssl  lighttpd mod_openssl.so   lighttpd's module mod_openssl
test     redis-server          command redis-server      Redis
test     strace                command strace            strace
test     mandoc               command mandoc            mandoc
test     systemd               command systemd-analyze   systemd-analyze, of systemd
test     openssl               command openssl           the openssl command
test     python3               file /usr/bin/python3     Python 3 as /usr/bin/python3
test     python3-pytest        python pytest             its module pytest
test     python3-requests      python requests           its module requests
test     python3-jwcrypto      python jwcrypto           its module jwcrypto
test     python3-authlib       python authlib            its module authlib
test     python3-yaml          python yaml               its module yaml
deb      debhelper             command dh                debhelper
deb      dpkg-dev              command dpkg-buildpackage the tools of Debian packages
valgrind valgrind              command valgrind          valgrind
lint     clang                 command clang             clang
lint     clang-format          command clang-format      clang-format
lint     clang-tidy            command clang-tidy        clang-tidy
lint     cppcheck              command cppcheck          cppcheck
lint     shellcheck            command shellcheck        shellcheck
lint     mandoc                command mandoc            mandoc
lint     universal-ctags       command ctags             Universal Ctags
lint     python3-yaml          python yaml               Python's module yaml
fuzz     libcmocka-dev         header cmocka.h           cmocka, with headers
fuzz     clang                 command clang             clang
fuzz     libclang-rt-dev       fuzzer clang              clang's compiler-rt, with libFuzzer
bench    nginx-light           command nginx             nginx
bench    openssl               command openssl           the openssl command
bench    python3               file /usr/bin/python3     Python 3 as /usr/bin/python3
bench    wrk                   command wrk               wrk
bench    apache2               command apache2           Apache httpd 2.4
bench    libapache2-mod-fcgid  apache mod_fcgid.so       its module mod_fcgid
bench    valgrind              command valgrind          valgrind
bench-peers nodejs             command node              Node.js 20 or later
bench-peers npm                command npm               npm
bench-peers gunicorn           command gunicorn          gunicorn for Python 3
bench-peers python3-flask      python flask              its module flask
bench-peers python3-authlib    python authlib            its module authlib
END
}

is_there() {
    case $1 in
    command) command -v "$2" ;;
    header) printf '#include <%s>\n' "$2" | cc -D_GNU_SOURCE -E -x c - ;;
    library) pkg-config --exists "$2" ;;
    fuzzer) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | "$2" -fsanitize=fuzzer -w -x c - -o /dev/null ;;
    apache) ls /usr/lib/apache2/modules/"$2" || ls /usr/lib*/httpd/modules/"$2" ;;
    nginx) ls /usr/lib*/nginx/modules/"$2" ;;
    lighttpd) ls /usr/lib*/lighttpd/"$2" ;;
    python) /usr/bin/python3 -c "import $2" ;;
    file) test -x "$2" ;;
    esac >/dev/null 2>&1
}

# The lines of packages() for our groups whose thing is not there.
list_missing() {
    packages | while read -r group package kind thing name; do
        case " $groups " in
        *" $group "*) is_there "$kind" "$thing" || echo "$package $name" ;;
        esac
    done | sort -u
}

# As root: install, while policy-rc.d (deb-systemd-invoke's and invoke-rc.d's own switch)
# keeps services from being started, and leave no new server to be started at boot.
install_packages() {
    policy=/usr/sbin/policy-rc.d
    export DEBIAN_FRONTEND=noninteractive

    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    if test -d /usr/sbin && (set -C; printf '#!/bin/sh\nexit 101\n' >"$policy") 2>/dev/null; then
        trap 'rm -f "$policy"' EXIT
        chmod 755 "$policy"
    fi
    apt-get -q update || echo "deps: apt-get update failed; going on with the package lists as they are" >&2
    apt-get -q -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 install "$@"
    for package in "$@"; do
        case $package in
        lighttpd | apache2 | redis-server) service=$package ;;
        nginx-light) service=nginx ;;
        *) continue ;;
        esac
        update-rc.d "$service" disable >/dev/null 2>&1 || true
        echo "deps: $package is installed but not started, now or at boot"
    done
}

if test "${1-}" = --install; then
    shift
    install_packages "$@"
    exit 0
fi

groups=$*
missing=$(list_missing)
if test -z "$missing"; then
    echo "deps: nothing is missing for: $groups"
    exit 0
fi
names=$(printf '%s\n' "$missing" | cut -d' ' -f1 | tr '\n' ' ')

if ! command -v apt-get >/dev/null; then
    echo "deps: this system has no apt-get. Install by its own package manager, then type the command again:" >&2
    printf '%s\n' "$missing" | sed 's/^[^ ]* */  /' >&2
    exit 1
fi
echo "deps: installing $names"
# shellcheck disable=SC2086 # the names are words
if test "$(id -u)" = 0; then
    sh "$0" --install $names
elif command -v sudo >/dev/null; then
    sudo sh "$0" --install $names
else
    echo "deps: this needs root, and there is no sudo. As root, type:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends $names" >&2
    exit 1
fi

missing=$(list_missing)
if test -n "$missing"; then
    echo "deps: installed, but still not found:" >&2
    printf '%s\n' "$missing" | sed 's/^[^ ]* */  /' >&2
    exit 1
fi
