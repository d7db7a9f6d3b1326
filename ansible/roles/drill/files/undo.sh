#!/bin/sh
# Mends what the drill broke and forgets it; run by the timer, by the playbook, or by hand. One at a
# time: who comes later finds nothing to do, or tries it once more.
set -eu
directory=$(dirname "$0")
exec 9>"$directory/lock"
flock 9
[ -e "$directory/broken" ] || exit 0
sh "$directory/fault.sh" end
rm -f "$directory/broken"
