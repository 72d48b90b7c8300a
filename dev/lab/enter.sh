#!/bin/sh
# Runs a command in the lab: in new namespaces for network, mounts and processes. All that it starts and sets up is removed
# when it ends, also when it is killed. Needs root and /dev/net/tun.
set -eu
exec unshare --net --mount --pid --fork --kill-child --mount-proc sh -euc '
  for folder in /run/netns /run/wireguard /var/tmp; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=1777 tmpfs "$folder"
  done
  # Nodes do not run as root here, and on some machines only root can open the device.
  mknod -m 666 /var/tmp/tun c 10 200
  mount --bind /var/tmp/tun /dev/net/tun
  # Their user may not be able to enter this folder by its own path.
  mkdir /var/tmp/project
  mount --bind . /var/tmp/project
  ip link set lo up
  exec "$@"
' lab "$@"
