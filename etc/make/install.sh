#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh install BUILD_DIR | uninstall: put the programs, the manuals and the files of etc/ in
# their places, or take them away. PREFIX, SYSCONFDIR, DOCDIR and DESTDIR say where that is.
#
# A list of what was made, files and directories, is kept beside the documentation; uninstall
# removes what stands there, and directories only when they are empty.
set -eu
umask 022
export LC_ALL=C

command=$1
build=${2-}
list=$DESTDIR$DOCDIR/.installed

fail() {
    printf '%s: %s\n' "$command" "$*" >&2
    exit 1
}

# These names get into files of web servers, units and manuals, where others would have to be quoted.
check_name() {
    case $2 in
    *[!A-Za-z0-9_/.+@~-]*) fail "$1=$2 has a character other than A-Z a-z 0-9 and _/.+@~-" ;;
    /*) ;;
    *) fail "$1=$2 is no absolute path" ;;
    esac
}

# make_directory NAME: with those above it; they are listed, if they were not there.
make_directory() {
    test ! -d "$DESTDIR$1" || return 0
    case $1 in
    /?*/*) make_directory "${1%/*}" ;;
    esac
    install -d -m 755 "$DESTDIR$1"
    directories="$directories$1/
"
}

# put MODE SOURCE NAME: as it is.
put() {
    make_directory "${3%/*}"
    install -m "$1" "$2" "$DESTDIR$3"
    files="$files$3
"
}

# The same, with the places that it names changed to where things are here.
put_text() {
    make_directory "${3%/*}"
    rm -f "$DESTDIR$3"
    sed -e 's|/usr/local/share/doc/oauth2-fcgi|%DOCDIR%|g; s|/usr/local/|%PREFIX%/|g' \
        -e "s|/etc/oauth2-fcgi|$SYSCONFDIR/oauth2-fcgi|g" \
        -e "s|%DOCDIR%|$DOCDIR|g; s|%PREFIX%|$PREFIX|g" "$2" >"$DESTDIR$3"
    chmod "$1" "$DESTDIR$3"
    files="$files$3
"
}

# What earlier installations listed: directories stay on the list, files that are no more do not.
read_list() {
    directories=''
    files=''
    old_files=''
    test -r "$list" || return 0
    directories=$(grep '/$' "$list" || true)
    directories=${directories:+$directories
}
    old_files=$(grep -v '/$' "$list" || true)
}

remove_old_files() {
    printf '%s\n' "$old_files" | while read -r file; do
        case "
$files" in
        *"
$file
"*) ;;
        *) test -z "$file" || rm -f "$DESTDIR$file" ;;
        esac
    done
}

install_all() {
    read_list
    make_directory "$DOCDIR"
    make_directory "$SYSCONFDIR"
    put 755 "$build/oauth2.fcgi" "$PREFIX/libexec/oauth2.fcgi"
    put 755 "$build/oauth2-admin" "$PREFIX/bin/oauth2-admin"
    for page in oauth2-admin.1 oauth2.yaml.5 oauth2.fcgi.8; do
        put_text 644 "etc/man/$page" "$PREFIX/share/man/man${page##*.}/$page"
    done
    for file in $(find etc -type f -not -path 'etc/man/*' -not -path 'etc/make/*' \
        -not -path 'etc/debian/*' | sort); do
        mode=644
        test ! -x "$file" || mode=755
        put_text "$mode" "$file" "$DOCDIR/${file#etc/}"
    done
    remove_old_files
    printf '%s%s' "$directories" "$files" >"$list"
    echo "installed: $PREFIX/libexec/oauth2.fcgi, $PREFIX/bin/oauth2-admin; files for web servers: $DOCDIR"
    echo "configuration: $SYSCONFDIR/oauth2-fcgi; make one with: oauth2-admin init $SYSCONFDIR/oauth2-fcgi"
}

uninstall_all() {
    test -r "$list" || fail "$list is not there: nothing is installed, or with another PREFIX or DOCDIR"
    read_list
    rm -f "$list"
    printf '%s\n' "$old_files" | while read -r file; do
        test -z "$file" || rm -f "$DESTDIR$file"
    done
    # The innermost first.
    printf '%s' "$directories" | sort -r | while read -r directory; do
        rmdir "$DESTDIR$directory" 2>/dev/null || true
    done
}

check_name PREFIX "$PREFIX"
check_name SYSCONFDIR "$SYSCONFDIR"
check_name DOCDIR "$DOCDIR"
case $command in
install) install_all ;;
uninstall) uninstall_all ;;
*) fail "unknown command" ;;
esac
