#!/bin/bash
# Makes the root file system of the stand-ins' images and packs it as a tar file.
# Usage: build.sh SUITE MIRROR PACKAGES SITE USER:GROUP OUTPUT.tar
# PACKAGES is comma-separated; SITE is a directory with the Python packages, USER a number.
set -euo pipefail

suite=$1 mirror=$2 packages=$3 site=$4 owner=$5 output=$6
root=$(mktemp -d "${output%/*}/rootfs.XXXXXX")
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror"
printf 'standin:x:%s:%s::/tmp:/usr/sbin/nologin\n' "${owner%:*}" "${owner#*:}" >>"$root/etc/passwd"
printf 'standin:x:%s:\n' "${owner#*:}" >>"$root/etc/group"
mkdir -p "$root/opt/heyken"
cp -r "$site" "$root/opt/heyken/site"
chroot "$root" /usr/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/heyken/site
# It has to run what it was made for.
PYTHONPATH=/opt/heyken/site chroot "$root" /usr/bin/python3 -c 'import aiohttp.web, sqlite3, ssl, uvloop'

# Nothing will be installed in it, and nobody in it may become somebody else.
cd "$root"
rm -rf dev/* var/lib/{apt,dpkg}/* var/cache/* var/log/* usr/share/{doc,man,locale,info,zoneinfo,perl5}/* \
  usr/lib/apt usr/lib/dpkg usr/lib/x86_64-linux-gnu/{gconv,perl-base} usr/bin/{apt,dpkg,perl}*
find . -xdev -perm /6000 -type f -exec chmod a-s {} +

tar --numeric-owner --sort=name -cf "$output" .
