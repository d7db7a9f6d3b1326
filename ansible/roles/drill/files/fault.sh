#!/bin/sh
# Breaks one thing of this host, or mends it: `fault.sh check|begin|end`. The file `settings` beside it
# says what. `check` changes nothing and says why not; `end` may be called any number of times.
# shellcheck disable=SC1091,SC2086,SC2154 # the settings are written on the host; units are several words
set -eu
directory=$(dirname "$0")
# Values are written by role drill: kind, units, model_unit, compose_directory, address, vip, ssh_port,
# fill_directory, fill_left_mib, fill_mib_max.
. "$directory/settings"

refuse() {
  echo "$1" >&2
  exit 1
}

interface() {
  ip -o -4 address show to "$address/32" | awk '{print $2; exit}'
}

# Nothing comes in and nothing goes out, the VIP's announcements included (keepalived sends those past
# all hooks but egress). The port for ssh stays: whoever conducts the drill, or mends by hand, gets in.
cut_off() {
  device=$(interface)
  nft -f - <<EOT
table netdev heyken_drill {
  chain in {
    type filter hook ingress device "$device" priority -450; policy drop;
    tcp dport $ssh_port accept
    arp daddr ip != $vip accept
  }
  chain out {
    type filter hook egress device "$device" priority -450; policy drop;
    tcp sport $ssh_port accept
    arp saddr ip != $vip accept
  }
}
EOT
}

connect() {
  nft 'table netdev heyken_drill; delete table netdev heyken_drill'
}

# As a crash does; the second command keeps systemd from starting them again before the end.
kill_units() {
  systemctl kill --signal=KILL $units
  systemctl stop $units
}

# The model runs in a process of its own below the server's.
runners() {
  server=$(systemctl show --property=MainPID --value "$model_unit")
  cat /proc/[0-9]*/status 2>/dev/null | awk -v server="$server" '
    /^Pid:/ {pid = $2} /^PPid:/ && $2 == server {print pid}'
}

signal_runners() {
  runners | while read -r pid; do kill "-$1" "$pid"; done
}

free_mib() {
  df --output=avail --block-size=1M "$fill_directory" | awk 'END {print $1}'
}

to_fill_mib() {
  echo $(($(free_mib) - fill_left_mib))
}

check() {
  case $kind in
    core | network) [ -n "$(interface)" ] || refuse "no interface of this host has the address $address" ;;
    hang) [ -n "$(runners)" ] || refuse "no model is in memory here, so none can hang" ;;
    disk)
      [ "$(to_fill_mib)" -gt 0 ] || refuse "$fill_directory has only $(free_mib) MiB free, so it is full already"
      [ "$(to_fill_mib)" -le "$fill_mib_max" ] ||
        refuse "to fill the file system of $fill_directory takes $(to_fill_mib) MiB, and no more than $fill_mib_max may be written: give it a file system of its own (docs/howto/run-a-drill.md)"
      ;;
    chat) [ -f "$compose_directory/compose.yml" ] || refuse "no Rocket.Chat is in $compose_directory" ;;
  esac
}

begin() {
  case $kind in
    core) cut_off && kill_units ;;
    hang) signal_runners STOP ;;
    network) cut_off ;;
    chat) docker compose --project-directory "$compose_directory" --progress quiet kill ;;
    disk) fallocate --length "$(to_fill_mib)MiB" "$fill_directory/.heyken-drill" ;;
    witness) kill_units ;;
  esac
}

end() {
  case $kind in
    core)
      # A keepalived that was killed left it there; nobody may believe that the address is here.
      device=$(interface)
      [ -z "$(ip -o -4 address show dev "$device" to "$vip/32")" ] || ip address del "$vip/32" dev "$device"
      connect
      systemctl start $units
      ;;
    hang) signal_runners CONT ;;
    network) connect ;;
    chat) docker compose --project-directory "$compose_directory" --progress quiet start ;;
    disk) rm -f "$fill_directory/.heyken-drill" ;;
    witness) systemctl start $units ;;
  esac
}

case ${1:-} in
  check | begin | end) "$1" ;;
  *) refuse "usage: fault.sh check|begin|end" ;;
esac
