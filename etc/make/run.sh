#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh BUILD_DIR PORT: serve on 127.0.0.1:PORT under lighttpd with the shipped lighttpd.conf,
# ask for a token, show how, and go on serving until Ctrl-C.
set -eu

build=$1
port=$2
dir=$build/run
url=http://localhost:$port
server=''
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'run: %s\n' "$*" >&2
    exit 1
}

# Stop lighttpd and its FastCGI processes, whatever ends this script.
stop() {
    status=$?
    trap '' INT TERM HUP
    if test -n "$server"; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        end_group
        rm -f "$dir"/lighttpd.sock*
    fi
    exit "$status"
}

# lighttpd tells its processes to end, but does not wait, nor see to one that it is just starting.
end_group() {
    tries=0
    while kill -TERM "-$server" 2>/dev/null; do
        tries=$((tries + 1))
        if test $tries -gt 30; then
            kill -KILL "-$server" 2>/dev/null || true
            return
        fi
        sleep 0.1
    done
}

check_tools() {
    for tool in lighttpd curl setsid; do
        command -v $tool >/dev/null || fail "$tool is not installed; 'make deps run' installs it."
    done
}

check_port() {
    case $port in
    '' | *[!0-9]* | ??????*) fail "PORT=$port is no port number; try: make run PORT=8081" ;;
    esac
    if test "$port" -lt 1 || test "$port" -gt 65535; then
        fail "PORT=$port is not in 1..65535; try: make run PORT=8081"
    fi
    test "$port" -ge 1024 || test "$(id -u)" = 0 ||
        fail "port $port needs root; take one above 1023: make run PORT=8080"
    answer=0
    curl -s -o /dev/null --noproxy '*' --max-time 2 "http://127.0.0.1:$port/" || answer=$?
    test "$answer" = 7 || # nobody accepts connections
        fail "port $port on 127.0.0.1 is in use; stop what listens there, or take another: make run PORT=$((port < 65535 ? port + 1 : 8081))"
}

# Once: the configuration, its key, a client. Its secret is printed by init alone, so it is kept here.
make_configuration() {
    mkdir -p "$build" 2>/dev/null || true
    test -w "$build" ||
        fail "no right to write in $build; take another directory: make run B=/tmp/oauth2-fcgi"
    if ! test -e "$dir/client"; then
        rm -rf "$dir" "$dir.new"
        (umask 077 && "$build/oauth2-admin" init "$dir.new" --issuer "$url" >"$dir.out") ||
            fail "oauth2-admin init failed, see above."
        (umask 077 && awk '$1 == "client_id:" || $1 == "client_secret:" { print $2 }' "$dir.out" >"$dir.new/client")
        rm -f "$dir.out"
        mv "$dir.new" "$dir"
    fi
    if ! test -r "$dir/client" || ! test -w "$dir"; then
        fail "no right to use $dir, which another user made; remove it, or: make run B=/tmp/oauth2-fcgi"
    fi
    # Another port than last time: the issuer is the one thing that names it.
    sed -i "s|^issuer: \"http://localhost:[0-9]*\"\$|issuer: \"$url\"|" "$dir/oauth2.yaml"
    id=$(sed -n 1p "$dir/client")
    secret=$(sed -n 2p "$dir/client")
    scope=$("$build/oauth2-admin" list-clients -c "$dir/oauth2.yaml" | awk -v id="$id" '$1 == id { print $NF }')
}

start_server() {
    # lighttpd starts the program in the program's directory, and takes its command line apart at blanks.
    there=$(cd "$build" && pwd)
    case $there in
    *[!A-Za-z0-9_/.,:@%+=~-]*) fail "lighttpd cannot start a program in '$there'; take another directory: make run B=/tmp/oauth2-fcgi" ;;
    esac
    {
        printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %s\n' "$there/run/empty" "$port"
        sed -e "s|/usr/local/libexec/oauth2.fcgi|$there/oauth2.fcgi|" \
            -e "s|/etc/oauth2-fcgi/oauth2.yaml|$there/run/oauth2.yaml|" \
            -e "s|/run/lighttpd/oauth2-fcgi.sock|$dir/lighttpd.sock|" etc/lighttpd.conf
    } >"$dir/lighttpd.conf"
    mkdir -p "$dir/empty"
    # A group of its own: Ctrl-C is for this script alone, else lighttpd replaces its processes.
    setsid lighttpd -D -f "$dir/lighttpd.conf" 2>"$dir/log" &
    server=$!
    tries=0
    until curl -s -f -o /dev/null --noproxy '*' --max-time 5 "http://127.0.0.1:$port/oauth2/health"; do
        tries=$((tries + 1))
        if test $tries -gt 100 || ! kill -0 "$server" 2>/dev/null; then
            cat "$dir/log" >&2
            fail "lighttpd did not start serving; its messages stand above."
        fi
        sleep 0.1
    done
}

ask_for_token() {
    body="grant_type=client_credentials&client_id=$id&client_secret=$secret${scope:+&scope=$scope}"
    printf '\nPOST /oauth2/token HTTP/1.1\nHost: localhost:%s\n' "$port"
    printf 'Content-Type: application/x-www-form-urlencoded\n\n%s\n\n' "$body"
    printf '%s' "$body" |
        curl -s -S -i --noproxy '*' --max-time 10 -d @- "http://127.0.0.1:$port/oauth2/token" >"$dir/answer" ||
        fail "no answer to the token request; see $dir/log"
    tr -d '\r' <"$dir/answer"
    printf '\n\n'
    token=$(sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p' "$dir/answer")
    rm -f "$dir/answer"
    test -n "$token" || fail "that is no token; see $dir/log"
    printf '%s\n' "$token" | "$build/oauth2-admin" inspect -c "$dir/oauth2.yaml" ||
        fail "the token does not verify."
    printf '\nServing on %s until Ctrl-C. In another terminal:\n\n' "$url"
    printf "  curl -d '%s' %s/oauth2/token\n\n" "$body" "$url"
    printf 'Configuration: %s/oauth2.yaml. Log: %s/log.\n' "$dir" "$dir"
}

check_tools
check_port
make_configuration
trap stop EXIT
trap 'exit 0' INT TERM HUP
start_server
ask_for_token
wait "$server"
