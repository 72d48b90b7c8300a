#!/bin/sh
# Runs a command in a world of its own: network, mounts and processes. Whatever it starts and sets up is gone when it ends,
# also when it is killed. Needs root and /dev/net/tun.
set -eu
exec unshare --net --mount --pid --fork --kill-child --mount-proc sh -euc '
  for folder in /run/netns /run/wireguard /var/tmp; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=1777 tmpfs "$folder"
  done
  # Nodes do not run as root here, and the device is root'\''s alone on some machines.
  mknod -m 666 /var/tmp/tun c 10 200
  mount --bind /var/tmp/tun /dev/net/tun
  # And may not read every path that leads here.
  mkdir /var/tmp/project
  mount --bind . /var/tmp/project
  ip link set lo up
  exec "$@"
' lab "$@"
