#!/bin/sh
# SPDX-License-Identifier: MIT
# deb.sh BUILD_DIR: make BUILD_DIR/oauth2-fcgi_VERSION_ARCH.deb by etc/debian, in a copy of the tree.
# The last commit is taken if nothing has changed since, else the files as they are.
set -eu
umask 022

build=$1
work=$build/deb
tree=$work/oauth2-fcgi-$VERSION

fail() {
    printf 'deb: %s\n' "$*" >&2
    exit 1
}

is_commit() {
    test -e .git && test -z "$(git status --porcelain 2>&1)"
}

copy_tree() {
    if is_commit; then
        git archive HEAD | tar -xf - -C "$tree"
    else
        tar -cf - --exclude=./.git --exclude=./build --exclude="./${build#./}" --exclude=__pycache__ \
            --exclude=.pytest_cache . | tar -xf - -C "$tree" --no-same-owner
    fi
    mv "$tree/etc/debian" "$tree/debian"
}

# Of the last commit, or now: the same tree gives the same package.
choose_time() {
    time=$(git log -1 --format=%ct 2>/dev/null || true)
    echo "${time:-$(date +%s)}"
}

# The Makefile's VERSION is the only place of the version.
write_changelog() {
    maintainer=$(sed -n 's/^Maintainer: //p' "$tree/debian/control")
    printf 'oauth2-fcgi (%s) unstable; urgency=medium\n\n' "$VERSION"
    printf '  * What changed is in CHANGELOG.md, here changelog.gz.\n\n'
    printf ' -- %s  %s\n' "$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

for tool in dpkg-buildpackage dh; do
    command -v $tool >/dev/null || fail "$tool is not installed; type: make deps deb"
done
rm -rf "$work"
mkdir -p "$tree" || fail "no right to write in $build; take another directory: make deb B=/tmp/oauth2-fcgi"
copy_tree
SOURCE_DATE_EPOCH=$(choose_time)
write_changelog >"$tree/debian/changelog"
# Without what make and the user have set for the programs in $build.
(cd "$tree" && env -i PATH="$PATH" HOME="${HOME:-/}" LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
    DEB_BUILD_OPTIONS="noautodbgsym parallel=$(nproc)" \
    dpkg-buildpackage -b -us -uc --ignore-builtin-builddeps) >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; fail "dpkg-buildpackage failed; all it said is in $work/log"; }
package=$(cd "$work" && ls oauth2-fcgi_"$VERSION"_*.deb)
mv "$work/$package" "$build/$package"
rm -rf "$work"
echo "$build/$package"
