#!/bin/sh
# SPDX-License-Identifier: MIT
# places.sh EXAMPLES DEST DEBIAN: from the installed files of etc/ make those that this system's web
# servers, systemd and other programs find by themselves. None of them is turned on here.
set -eu

examples=$1
dest=$2
debian=$3

# change FILE SED_SCRIPT...: each expression must change something: a file that was edited must not go unnoticed.
change() {
    file=$1
    shift
    for expression in "$@"; do
        cp "$file" "$file.before"
        sed -i -e "$expression" "$file"
        if cmp -s "$file" "$file.before"; then
            echo "places: $file: nothing to do for: $expression" >&2
            exit 1
        fi
        rm "$file.before"
    done
}

place() {
    install -D -m 644 "$examples/$1" "$dest/$2"
}

# Apache: all of it, for the server and its virtual hosts.
apache=etc/apache2/conf-available/oauth2-fcgi.conf
place apache-proxy-fcgi.conf $apache
change "$dest/$apache" \
    's|^# Include it in the server configuration.*|# a2enmod proxy_fcgi; a2enconf oauth2-fcgi; systemctl restart apache2. It is then on in all virtual|' \
    's|^#     Include /path/to/this/file|# hosts; for one of them, include this file there instead.|' \
    '/^# Modules: authz_core/,/^# and restart/d' \
    "s|^# Its systemd units are in systemd/ beside this file. Apache's user|# That is oauth2-fcgi.service, by oauth2-fcgi.socket. Apache's user|"

# nginx: what goes into a server block.
nginx=etc/nginx/snippets/oauth2-fcgi.conf
place nginx.conf $nginx
# shellcheck disable=SC2016 # the dollar is sed's last line
change "$dest/$nginx" \
    '1,/^    server_name/d' \
    '$d' \
    's|^    ||' \
    's|fastcgi_pass oauth2_fcgi;|fastcgi_pass unix:/run/oauth2-fcgi/oauth2.sock;|' \
    '/^fastcgi_keep_conn on;/,/^fastcgi_next_upstream/d' \
    '1s|^$|# oauth2-fcgi behind nginx: include this in a server block that has TLS:\
#     include snippets/oauth2-fcgi.conf;\
# For client certificates and connections that stay open, see nginx.conf in\
# /usr/share/doc/oauth2-fcgi/examples.\
|'

# lighttpd: the program is there already, as a service.
lighttpd=etc/lighttpd/conf-available/50-oauth2-fcgi.conf
place lighttpd.conf $lighttpd
change "$dest/$lighttpd" \
    's|, as FastCGI. lighttpd starts the program and keeps it running.|, as FastCGI. The program is oauth2-fcgi.service.|' \
    's|^# Add to the end of .*|# lighttpd-enable-mod oauth2-fcgi; systemctl restart lighttpd|' \
    '/^#     include "/d' \
    '/^# then check with /d' \
    '/"bin-path" =>/d' \
    '/# lighttpd makes these sockets/,/# Debian/d' \
    '/# Each process answers one request/,/"max-procs"/d' \
    's|/run/lighttpd/oauth2-fcgi.sock|/run/oauth2-fcgi/oauth2.sock|'

place logrotate/oauth2-fcgi etc/logrotate.d/oauth2-fcgi
change "$dest/etc/logrotate.d/oauth2-fcgi" \
    's|^# logrotate for oauth2-fcgi: copy this.*|# logrotate for oauth2-fcgi, if log.file of the configuration is set.|'

jail=etc/fail2ban/jail.d/oauth2-fcgi.conf
place fail2ban/filter.d/oauth2-fcgi.conf etc/fail2ban/filter.d/oauth2-fcgi.conf
place fail2ban/jail.d/oauth2-fcgi.conf $jail
# fail2ban does not start with a jail whose log is not there.
change "$dest/$jail" 's|^enabled = true|# true in a file of your own, jail.d/oauth2-fcgi.local\nenabled = false|'

# debhelper takes them from there.
for unit in service socket tmpfiles; do
    cp "$examples/systemd/oauth2-fcgi.$unit" "$debian/oauth2-fcgi.$unit"
done
