#!/bin/sh
# Does what a container runtime does to start a process in an image, with the means of util-linux: namespaces of its own
# for mounts and processes, the image's file system read-only as its root, volumes, few capabilities. The network
# namespace is that of the caller.
#
#   container.sh ROOT CAPABILITIES SEGMENT CONFIGURATION RUN COMMAND...
#
# CAPABILITIES as setpriv takes them: +net_admin,+sys_nice. SEGMENT has the same path inside; CONFIGURATION becomes
# /etc/isthmus/isthmus.yaml, and the directory RUN becomes /run/isthmus.
set -eu
if [ "${INSIDE:-}" != yes ]; then
    INSIDE=yes exec unshare --mount --propagation private --pid --fork --kill-child "$0" "$@"
fi
root=$1 capabilities=$2 segment=$3 configuration=$4 run=$5
shift 5

mount --bind "$root" "$root"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir -p "$root/dev/shm" "$root/dev/net" "$root$segment"
touch "$root/dev/net/tun" "$root/dev/null" "$root/etc/isthmus/isthmus.yaml"
mount --bind /dev/net/tun "$root/dev/net/tun"
mount --bind /dev/null "$root/dev/null"
mkdir -p "$root$segment"
mount --bind "$segment" "$root$segment"
mount --bind "$configuration" "$root/etc/isthmus/isthmus.yaml"
mount --bind "$run" "$root/run/isthmus"
mount -t proc proc "$root/proc"
# As runtimes do: a container does not set the kernel's parameters.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -o remount,bind,ro "$root"
# chroot itself needs a capability, which stays: setpriv is not in the image.
exec env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin setpriv --inh-caps=-all --bounding-set="-all,+sys_chroot,$capabilities" \
    --no-new-privs -- chroot "$root" "$@"
