#!/bin/bash
# Makes the root file system of the lab's system hosts and packs it as a tar file.
# Usage: build.sh SUITE MIRROR PACKAGES DISABLED_UNITS CA_DIRECTORY OUTPUT.tar [PACKAGE.deb...]
# PACKAGES and DISABLED_UNITS are comma-separated; certificates (*.crt) in CA_DIRECTORY are trusted inside.
set -euo pipefail

suite=$1 mirror=$2 packages=$3 disabled=$4 certificates=$5 output=$6
shift 6
root=$(mktemp -d "${output%/*}/rootfs.XXXXXX")
trap 'rm -rf "$root"' EXIT

# The rest comes by apt: it orders what debootstrap, which configures all at once, cannot.
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror"
if compgen -G "$certificates/*.crt" >/dev/null; then
  cp "$certificates"/*.crt "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates
fi
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # nothing starts while it is built
chmod 755 "$root/usr/sbin/policy-rc.d"
IFS=, read -ra names <<<"$packages"
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends "${names[@]}"
for package in "$@"; do # what the suite does not have
  cp "$package" "$root/var/cache/extra.deb"
  chroot "$root" dpkg --install /var/cache/extra.deb
  rm "$root/var/cache/extra.deb"
done
rm "$root/usr/sbin/policy-rc.d"

# Each host makes its own keys and its own id at its first start.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id
touch "$root/etc/machine-id"
cat >"$root/etc/systemd/system/ssh-host-key.service" <<'UNIT'
[Unit]
Description=Make this host's ssh key at its first start
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
UNIT

IFS=, read -ra units <<<"$disabled"
chroot "$root" systemctl enable ssh-host-key.service ssh.service
chroot "$root" systemctl disable "${units[@]}"
# A container has no consoles, no disks to check and no clock of its own.
chroot "$root" systemctl mask getty.target console-getty.service systemd-timesyncd.service \
  apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer

# Space: the package files and the indices can be fetched again.
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/* "$root"/var/log/*.log

tar --numeric-owner -C "$root" -cf "$output" .
