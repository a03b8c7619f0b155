#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the Debian package on this machine, use it under three web servers, upgrade it while requests
# run, remove and purge it: nothing may stay. For machines that are thrown away: root, and HERE=1.
# No service is started or stopped; the servers here are our own, on loopback ports.
set -eu
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

name=oauth2-fcgi
socket=/run/oauth2-fcgi/oauth2.sock
conffile=/etc/apache2/conf-available/oauth2-fcgi.conf
policy=/usr/sbin/policy-rc.d
here=$(pwd)
dir=''
pids=''
made_policy=''
installed=''
moment=0

say() {
    echo "deb-test: $*"
}

fail() {
    echo "deb-test: FAILED: $*" >&2
    exit 1
}

check_machine() {
    test "${HERE-}" = 1 ||
        fail "this installs and purges $name on this machine; if that is meant, as root: make deb-test HERE=1"
    test "$(id -u)" = 0 || fail "this needs root"
    if dpkg-query -W $name >/dev/null 2>&1 || test -e /etc/oauth2-fcgi || getent passwd $name >/dev/null; then
        fail "$name is here already: the package, its user, or /etc/oauth2-fcgi. Nothing was touched"
    fi
    for tool in dpkg-buildpackage dh apache2 nginx lighttpd curl /usr/bin/python3; do
        command -v $tool >/dev/null || fail "$tool is not installed; type: make deps deb-test HERE=1"
    done
}

# Whatever ends this: the servers are ended, and the package is gone.
clean_up() {
    status=$?
    trap '' INT TERM HUP
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    if test -n "$installed"; then
        dpkg -P $name >/dev/null 2>&1 || true
        restore_apache
    fi
    test -z "$made_policy" || rm -f "$policy"
    rm -rf "$dir"
    exit $status
}

# invoke-rc.d and deb-systemd-invoke ask it.
forbid_services() {
    if (set -C; printf '#!/bin/sh\nexit 101\n' >"$policy") 2>/dev/null; then
        made_policy=1
        chmod 755 "$policy"
    fi
}

keep_apache() {
    cp -a /etc/apache2/mods-enabled "$dir/mods-enabled"
    cp -a /var/lib/apache2/module "$dir/module"
}

restore_apache() {
    rm -rf /etc/apache2/mods-enabled /var/lib/apache2/module
    cp -a "$dir/mods-enabled" /etc/apache2/mods-enabled
    cp -a "$dir/module" /var/lib/apache2/module
}

# The places where a package may leave something: each file with type, rights, owner and target, and what is
# in those of /etc; but not what dpkg, apt, man-db and passwd keep for themselves. Sizes are compared nowhere
# else, as others may write meanwhile, the caller's own log for one.
list_files() {
    find /bin /boot /etc /lib* /opt /sbin /srv /usr /var -xdev \( -path /var/tmp -o -path /var/log -o -path "$here" \
        -o -path "$build" -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt -o -path /var/cache/man \
        -o -path /var/cache/debconf -o -path '/etc/*-' -o -path "$policy" -o -name __pycache__ \) -prune \
        -o -printf '%p %y %m %U %G %l\n' | sort -u
    find / /run /home /root /var/log -maxdepth 1 -name "*oauth2*" -printf '%p %y %m %U %G\n' | sort
    find /etc -xdev -type f -not -name '*-' -exec sha256sum {} + | sort
    getent passwd
    getent group
}

build_package() {
    make -s --no-print-directory deb B="$build" >"$dir/make" || fail "make deb"
    first=$(cat "$dir/make")
    test -f "$first" || fail "make deb does not print the package: $first"
}

# The same with a higher version: to dpkg it is another one.
build_next_package() {
    second=$build/next.deb
    dpkg-deb -R "$first" "$build/next"
    sed -i "s/^Version: .*/Version: $next/" "$build/next/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$build/next" "$second" >/dev/null
    rm -r "$build/next"
}

put_package() {
    installed=1
    dpkg -i "$1" >"$dir/dpkg" 2>&1 || { cat "$dir/dpkg" >&2; fail "dpkg -i $1"; }
}

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# expect TEXT COMMAND...: its output.
expect() {
    expected=$1
    shift
    found=$("$@") || fail "$*"
    test "$found" = "$expected" || fail "$*: $found, expected $expected"
}

wait_for() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        test $tries -lt 100 || fail "waited ten seconds for: $*; $(tail -n 5 "$dir"/*.out 2>/dev/null)"
        sleep 0.1
    done
}

units() {
    for directory in /usr/lib/systemd/system /lib/systemd/system; do
        if test -e $directory/$name.socket; then
            echo "$directory/$name.socket $directory/$name.service"
            return
        fi
    done
    fail "the package has no systemd units"
}

run_service() {
    # shellcheck disable=SC2046 # two names
    /usr/bin/python3 -B tests/package/service.py $(units) >>"$dir/service.out" 2>&1 &
    service=$!
    pids="$pids $service"
    wait_for test -S $socket
}

# As the package has systemd do it: requests wait for the new program.
restart_service() {
    : >"$dir/service.out"
    kill -USR1 "$service"
    wait_for grep '^restarted' "$dir/service.out"
    expect /usr/libexec/oauth2.fcgi readlink "/proc/$(pgrep -o -P "$service")/exe"
}

stop_process() {
    kill "$1"
    wait "$1" || true
}

run_apache() {
    sed "s|^Include ports.conf|Listen 127.0.0.1:$port|" /etc/apache2/apache2.conf >"$dir/apache2.conf"
    grep -q "^Listen 127.0.0.1:$port" "$dir/apache2.conf" || fail "apache2.conf has no Include ports.conf"
    (
        set +u
        # shellcheck source=/dev/null
        . /etc/apache2/envvars
        export APACHE_PID_FILE="$dir/apache2.pid" APACHE_RUN_DIR="$dir" APACHE_LOCK_DIR="$dir" APACHE_LOG_DIR="$dir"
        exec apache2 -d /etc/apache2 -f "$dir/apache2.conf" -DFOREGROUND >"$dir/apache2.out" 2>&1
    ) &
    server=$!
    pids="$pids $server"
}

run_nginx() {
    cat >"$dir/nginx.conf" <<END
user www-data;
daemon off;
pid $dir/nginx.pid;
error_log $dir/nginx.out;
events { }
http {
    access_log off;
    client_body_temp_path $dir/nginx.body;
    fastcgi_temp_path $dir/nginx.fastcgi;
    proxy_temp_path $dir/nginx.proxy;
    scgi_temp_path $dir/nginx.scgi;
    uwsgi_temp_path $dir/nginx.uwsgi;
    server {
        listen 127.0.0.1:$port;
        include /etc/nginx/snippets/oauth2-fcgi.conf;
    }
}
END
    nginx -p "$dir" -e "$dir/nginx.out" -c "$dir/nginx.conf" &
    server=$!
    pids="$pids $server"
}

run_lighttpd() {
    cat >"$dir/lighttpd.conf" <<END
server.document-root = "$dir/empty"
server.bind = "127.0.0.1"
server.port = $port
server.username = "www-data"
include "/etc/lighttpd/conf-available/50-oauth2-fcgi.conf"
END
    lighttpd -D -f "$dir/lighttpd.conf" >"$dir/lighttpd.out" 2>&1 &
    server=$!
    pids="$pids $server"
}

url() {
    echo "http://127.0.0.1:$port/oauth2/$1"
}

get() {
    curl -s -S --fail-with-body --noproxy '*' --max-time 10 "$@"
}

# A token with Basic credentials and one with them in the body; both are verified.
check_tokens() {
    wait_for get "$(url health)"
    expect '{"status":"ok"}' get "$(url health)"
    get -o "$dir/answer" -u "$client:$secret" -d grant_type=client_credentials "$(url token)" || fail "$1: no token"
    sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p' "$dir/answer" | oauth2-admin inspect >"$dir/verdict" ||
        fail "$1: the token does not verify: $(cat "$dir/verdict")"
    get -o "$dir/answer" "$(url token)" \
        -d "grant_type=client_credentials&client_id=$client&client_secret=$secret" || fail "$1: no token"
    get -o "$dir/answer" "http://127.0.0.1:$port/.well-known/openid-configuration" || fail "$1: no metadata"
    say "$1: tokens verify"
}

check_fresh_installation() {
    expect "oauth2-fcgi oauth2-fcgi 750 directory" stat -c '%U %G %a %F' /etc/oauth2-fcgi
    expect "" ls -A /etc/oauth2-fcgi
    expect "oauth2-fcgi oauth2-fcgi 700 directory" stat -c '%U %G %a %F' /var/lib/oauth2-fcgi
    expect "oauth2-fcgi oauth2-fcgi 750 directory" stat -c '%U %G %a %F' /var/log/oauth2-fcgi
    test ! -e /etc/apache2/conf-enabled/oauth2-fcgi.conf || fail "Apache's file is turned on"
    grep -q "sudo oauth2-admin init /etc/oauth2-fcgi" "$dir/dpkg" || fail "the next command is not printed"
    # shellcheck disable=SC2046 # two names
    if /usr/bin/python3 -B tests/package/service.py $(units) >"$dir/skipped" 2>&1 || test -e $socket; then
        fail "the units start without a configuration"
    fi
}

# The command that the package prints, with our issuer.
configure() {
    oauth2-admin init /etc/oauth2-fcgi --issuer "http://localhost:$port" >"$dir/init" || fail "init"
    client=$(sed -n 's/^client_id: //p' "$dir/init")
    secret=$(sed -n 's/^client_secret: //p' "$dir/init")
    expect oauth2-fcgi:oauth2-fcgi sh -c "find /etc/oauth2-fcgi -printf '%u:%g\n' | sort -u"
    oauth2-admin keygen --out /etc/oauth2-fcgi/keys/next.pem >/dev/null
    expect "oauth2-fcgi oauth2-fcgi 600" stat -c '%U %G %a' /etc/oauth2-fcgi/keys/next.pem
    rm /etc/oauth2-fcgi/keys/next.pem
}

# Requests, one after the other, until "$dir/go" is gone; a line for each: its status and curl's complaint.
ask_on() {
    while test -e "$dir/go"; do
        get -o /dev/null -w '%{http_code} %{errormsg}\n' -u "$client:$secret" -d grant_type=client_credentials \
            "$(url token)" >>"$1" 2>/dev/null || true
    done
}

start_asking() {
    : >"$dir/go"
    askers=''
    for asker in 1 2 3; do
        ask_on "$dir/asked.$asker" &
        askers="$askers $!"
        pids="$pids $!"
    done
    wait_for test -s "$dir/asked.3"
}

stop_asking() {
    rm "$dir/go"
    # shellcheck disable=SC2086 # the numbers are words
    wait $askers
    total=$(cat "$dir"/asked.* | wc -l)
    failed=$(grep -hv '^200 ' "$dir"/asked.* | sort | uniq -c || true)
    test -z "$failed" || fail "of $total requests during $1 these failed: $failed"
    test "$total" -gt 50 || fail "only $total requests during $1"
    say "$1: none of $total requests failed"
    rm "$dir"/asked.*
}

configuration_sum() {
    find /etc/oauth2-fcgi -path /etc/oauth2-fcgi/state -prune -o -type f -print0 | sort -z |
        xargs -0 sha256sum "$conffile" | sha256sum
}

check_upgrade() {
    echo '# our own line' >>$conffile
    before=$(configuration_sum)
    start_asking
    put_package "$second"
    restart_service
    # shellcheck disable=SC2016 # dpkg-query's variable
    expect "$next" dpkg-query -W -f '${Version}' $name
    kill -HUP "$service"
    put_package "$second"
    restart_service
    stop_asking "an upgrade and a reinstallation"
    expect "$before" configuration_sum
}

check_removal() {
    stop_process "$service"
    dpkg -r $name >"$dir/dpkg" 2>&1 || fail "dpkg -r"
    test ! -e /usr/libexec/oauth2.fcgi || fail "the program is left"
    expect "$before" configuration_sum
    put_package "$second"
    run_service
    check_tokens "removed and installed again"
    stop_process "$service"
}

check_purge() {
    dpkg -P $name >"$dir/dpkg" 2>&1 || { cat "$dir/dpkg" >&2; fail "dpkg -P"; }
    grep -i -E 'warning|not empty' "$dir/dpkg" && fail "dpkg -P complains"
    restore_apache
    installed=''
    list_files >"$dir/after"
    diff "$dir/before" "$dir/after" || fail "purge leaves the lines with >, or takes those with <"
    say "purge leaves nothing"
}

lap() {
    say "$1 ($(($(date +%s) - moment)) s)"
}

check_machine
moment=$(date +%s)
dir=$(mktemp -d)
chmod 755 "$dir"
mkdir "$dir/empty"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
build=$dir/build
next=$VERSION+1
mkdir "$build"
build_package
build_next_package
lap "built $(basename "$first")"
forbid_services
keep_apache
# Apache's own tool makes this directory when it is first used, and leaves it.
install -d -m 755 /var/lib/apache2/conf/enabled_by_admin
list_files >"$dir/before"
port=$(free_port)

put_package "$first"
check_fresh_installation
configure
run_service
expect "root www-data 660 socket" stat -c '%U %G %a %F' $socket
a2enmod -q proxy_fcgi >/dev/null
a2enconf -q oauth2-fcgi >/dev/null
for server_name in nginx lighttpd apache; do
    run_$server_name
    check_tokens $server_name
    test $server_name = apache || stop_process "$server"
done
lap "installed"
check_upgrade
lap "upgraded"
check_removal
stop_process "$server"
check_purge
lap "done"
