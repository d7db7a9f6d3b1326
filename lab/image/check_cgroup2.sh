#!/bin/bash
# Boots a QEMU machine that has cgroup v2 only, starts the lab's system hosts in it, and checks what the roles
# rely on: for machines with cgroup v1, which cannot try that themselves. The checks: check_cgroup2_guest.sh.
# Usage, as root: check_cgroup2.sh [system.tar]     (without: the newest one that make deploy left in the cache)
# Needs .venv, Debian packages from the machine's own mirror, 4 GiB of memory and of disk, and some 15 minutes:
# the processor is emulated. ACCEL=kvm is quicker, where that works.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
ask='from lab import settings; from lab.artifacts import image; print(image.mirror(), settings.cache_directory())'
read -r mirror cache < <(cd "$here/../.." && .venv/bin/python -c "$ask")
newest() {
  find "$cache/image" -name system.tar -path '*/bookworm-*' -not -path '*.part/*' -printf '%T@ %p\n' |
    sort -n | tail -n 1 | cut -d ' ' -f 2-
}
tar=${1:-$(newest)}
[[ -f $tar ]] || { echo "no system.tar: run make deploy once, or name one" >&2; exit 2; }

mkdir -p "$cache/qemu"
log=$cache/qemu/cgroup2.log
work=$(mktemp -d "$cache/qemu/work.XXXXXX")
root=$work/root
trap 'rm -rf "$work"' EXIT
echo "image: $tar; log: $log"

make_root() { # the machine around the hosts: Debian with systemd and Docker, as people have it
  export DEBIAN_FRONTEND=noninteractive LC_ALL=C
  if ! command -v qemu-system-x86_64 debootstrap mke2fs; then
    apt-get install -y --no-install-recommends qemu-system-x86 debootstrap e2fsprogs
  fi
  debootstrap --variant=minbase bookworm "$root" "$mirror"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # nothing starts while it is built
  chmod 755 "$root/usr/sbin/policy-rc.d"
  # What a host with nested Docker has beyond the image: downloaded here, installed in the host by the checks.
  mkdir -p "$root/debs/partial"
  tar -xOf "$tar" ./var/lib/dpkg/status >"$root/system.status"
  chroot "$root" apt-get install -y --no-install-recommends --download-only docker.io \
    -o Dir::State::status=/system.status -o Dir::Cache::archives=/debs
  chroot "$root" apt-get install -y --no-install-recommends systemd-sysv dbus linux-image-cloud-amd64 \
    docker.io iproute2 openssh-client busybox-static
  chroot "$root" apt-get clean
  rm "$root/usr/sbin/policy-rc.d"
  cp -L "$root/vmlinuz" "$root/initrd.img" "$work/"
}

add_checks() { # run once at boot; the machine goes off afterwards
  mkdir -m 700 "$root/root/.ssh"
  ssh-keygen -q -t ed25519 -N "" -f "$root/root/.ssh/id_ed25519"
  cp "$here/check_cgroup2_guest.sh" "$root/check.sh"
  cat >"$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
Wants=docker.service
After=docker.service
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/bin/bash /check.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0

[Install]
WantedBy=multi-user.target
UNIT
  chroot "$root" systemctl enable check.service
  chroot "$root" systemctl mask serial-getty@.service getty.target apt-daily.timer apt-daily-upgrade.timer
}

boot() {
  timeout 1800 nice -n 10 qemu-system-x86_64 -accel "${ACCEL:-tcg}" -smp 2 -m 3072 \
    -display none -monitor none -nic none -no-reboot -serial stdio \
    -kernel "$work/vmlinuz" -initrd "$work/initrd.img" \
    -append 'root=/dev/vda rw console=ttyS0 loglevel=2 mitigations=off systemd.unified_cgroup_hierarchy=1' \
    -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe" \
    -drive "file=$tar,format=raw,if=virtio,readonly=on" </dev/null
}

make_root >"$log" 2>&1
add_checks >>"$log" 2>&1
mke2fs -q -t ext4 -d "$root" "$work/disk" 6G >>"$log"
rm -rf "$root"
boot | sed -u 's/\r$//' | tee -a "$log" | grep --line-buffered -a '^check ' ||
  echo "the machine ended early; the reason is in $log" >&2

total=$(grep -c '^check_that ' "$here/check_cgroup2_guest.sh")
passed=$(awk '/^check passed: / {n++} END {print n + 0}' "$log")
echo "cgroup v2: $passed of $total checks passed"
[[ $passed == "$total" ]]
