#!/bin/bash
# The checks of check_cgroup2.sh; runs as root in the machine that it boots, never on the deploying machine.
# There: /dev/vdb is system.tar, /debs holds Debian's docker.io and what it needs, /root/.ssh a key.
set -uo pipefail

check_that() { # NAME COMMAND...
  local out
  if out=$("${@:2}" 2>&1); then
    echo "check passed: $1 (at $(uptime_seconds) s): ${out##*$'\n'}"
  else
    printf 'check FAILED: %s (at %s s)\n%s\n' "$1" "$(uptime_seconds)" "$out"
  fi
}
uptime_seconds() { cut -d . -f 1 /proc/uptime; }
within() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  until "${@:2}"; do
    ((SECONDS < end)) || return 1
    sleep 2
  done
}
in_host() { docker exec -i "heyken-lab-$1" "${@:2}"; }
engine_state() { "$@" docker info -f '{{.CgroupVersion}} {{.CgroupDriver}} {{.Driver}}' | grep -x '2 systemd overlay2'; }

machine_engine() { [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]] && engine_state env; }

start_host() { # NAME HOST_NUMBER [OPTION...]: as terraform/modules/system_host does with cgroup_version = 2
  local -r name=heyken-lab-$1
  docker create --name "$name" --hostname "$1" --env container=docker --restart unless-stopped \
    --stop-signal SIGRTMIN+3 --stop-timeout 30 --cgroupns private --memory 1024m --memory-swap 1024m \
    --security-opt apparmor=unconfined --security-opt seccomp=unconfined \
    --log-driver json-file --log-opt max-file=2 --log-opt max-size=5m \
    --tmpfs /run:rw,nosuid,nodev,mode=755,shared --tmpfs /run/lock:rw,nosuid,nodev,noexec,mode=1777 \
    --tmpfs /tmp:rw,nosuid,nodev,exec,mode=1777 \
    --cap-add NET_ADMIN --cap-add NET_BROADCAST --cap-add NET_RAW --cap-add SYS_ADMIN --cap-add SYS_NICE \
    --health-cmd "systemctl is-system-running | grep -Eqx 'running|degraded'" \
    --health-interval 5s --health-timeout 5s --health-start-period 60s --health-retries 3 \
    --network heyken-lab-system --ip "10.77.0.$2" "${@:3}" heyken-system:check \
    /bin/sh -c 'mount -o remount,rw /sys/fs/cgroup && exec /sbin/init' &&
    docker cp /upload/. "$name:/root/" && docker start "$name"
}

healthy() { [[ $(docker inspect -f '{{.State.Health.Status}}' "heyken-lab-$1") == healthy ]]; }
booted() { # says in the last line: running, or degraded and by which units
  within 300 healthy "$1" || { docker logs "heyken-lab-$1"; in_host "$1" systemctl list-jobs; return 1; }
  echo "$(in_host "$1" systemctl is-system-running)" "$(in_host "$1" systemctl --failed --plain --no-legend | cut -d ' ' -f 1 | xargs)"
}
start_core() { start_host core1 11 --sysctl net.ipv4.conf.all.arp_announce=2 --sysctl net.ipv4.conf.all.arp_ignore=1 && booted core1; }
own_groups() {
  in_host core1 sh -c 'cat /proc/1/cgroup /sys/fs/cgroup/memory.max; stat -fc %T /sys/fs/cgroup' | xargs |
    grep -x '0::/init.scope 1073741824 cgroup2fs'
}
log_in() { within 90 ssh -o StrictHostKeyChecking=no -o ConnectTimeout=20 root@10.77.0.11 systemctl is-active ssh.service; }

unit_runs() {
  in_host core1 tee /etc/probe.sh >/dev/null <<'PROBE'
systemd-notify --ready
if [[ ! -e /tmp/mark && $(awk '$5 == "/" {print $6}' /proc/self/mountinfo) == ro,* ]]; then
  echo "$(<"$CREDENTIALS_DIRECTORY/secret") as $(id -un)" >"$STATE_DIRECTORY/seen"
fi
while [[ ! -e /etc/probe.hang ]]; do
  systemd-notify WATCHDOG=1
  sleep 2
done
sleep infinity
PROBE
  in_host core1 tee /etc/systemd/system/probe.service >/dev/null <<'UNIT'
[Service]
Type=notify
NotifyAccess=all
DynamicUser=yes
ProtectSystem=strict
PrivateTmp=yes
MemoryMax=64M
WatchdogSec=20
StateDirectory=probe
LoadCredential=secret:/etc/probe.secret
ExecStart=/bin/bash /etc/probe.sh
UNIT
  in_host core1 bash -c 'umask 077; echo "it is read" >/etc/probe.secret; touch /tmp/mark
    systemctl daemon-reload && systemctl start probe.service && sleep 30 && systemctl is-active probe.service &&
    grep -x 67108864 /sys/fs/cgroup/system.slice/probe.service/memory.max &&
    grep -x "it is read as probe" /var/lib/probe/seen || { systemctl status --no-pager probe.service; exit 1; }'
}
unit_hangs() {
  in_host core1 touch /etc/probe.hang &&
    within 120 in_host core1 sh -c 'systemctl show -P Result probe.service | grep -x watchdog'
}
unit_too_big() {
  local -r program='bytearray(b"x") * (1 << 28)'
  { ! in_host core1 systemd-run --wait -p MemoryMax=32M -p MemorySwapMax=0 python3 -c "$program"; } 2>&1 |
    grep -o 'oom-kill'
}
restarts() {
  docker stop heyken-lab-core1 && docker inspect -f '{{.State.ExitCode}}' heyken-lab-core1 | grep -vx 137 &&
    docker start heyken-lab-core1 && sleep 10 && booted core1
}

start_nested() {
  docker volume create heyken-lab-chat-docker &&
    start_host chat 14 --sysctl net.ipv4.ip_forward=1 --volume heyken-lab-chat-docker:/var/lib/docker && booted chat
}
nested_engine() {
  docker cp /debs heyken-lab-chat:/ && in_host chat sh -c 'DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io -i /debs/*.deb' &&
    within 180 in_host chat systemctl is-active docker.service && engine_state in_host chat
}
nested_container() {
  tar -C /bin -c busybox | in_host chat docker import - busybox:check &&
    in_host chat docker run --rm --memory 64m busybox:check /busybox sh -c \
      '/busybox ping -c 1 -W 10 10.77.0.1 && /busybox cat /sys/fs/cgroup/memory.max' | grep -x 67108864
}

mkdir -p /upload/.ssh && cp /root/.ssh/id_ed25519.pub /upload/.ssh/authorized_keys && chmod -R go= /upload
echo "check of kernel $(uname -r), $(systemctl --version | head -n 1), Docker $(docker version -f '{{.Server.Version}}')"
check_that "the machine's engine uses cgroup v2" machine_engine
check_that "the image is imported" docker import --change 'CMD ["/sbin/init"]' /dev/vdb heyken-system:check
docker network create --driver bridge --subnet 10.77.0.0/24 --gateway 10.77.0.1 heyken-lab-system
check_that "a host boots" start_core
check_that "its control groups are its own" own_groups
check_that "ssh lets root in with the key" log_in
check_that "a hardened unit runs and reads its credential" unit_runs
check_that "a unit that hangs is ended by the watchdog" unit_hangs
check_that "a unit that takes too much memory is ended" unit_too_big
check_that "a host stops cleanly and boots again" restarts
docker stop heyken-lab-core1
check_that "a host for nested Docker boots" start_nested
check_that "the engine inside starts" nested_engine
check_that "a container runs inside, with a limit and a network" nested_container
