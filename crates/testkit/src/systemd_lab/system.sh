#!/bin/sh
# Holds a machine of the lab's own: systemd as PID 1 of a pid namespace, with mounts, cgroups, a system bus and polkit
# of its own. It goes when standard input ends, so that nothing is left even when the test is killed.
#
#   sh system.sh LAB ROOT CACHE    (LAB: name of the lab's cgroup folder; ROOT: its folder, /run/lab inside;
#                                   CACHE: folder with Node and OpenClaw, /run/lab/cache inside)
#
# It answers `up PID` with the pid of the process that holds the namespaces' first process.
set -u
lab=$1 root=$2 cache=$3
bases=''
for base in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$base/cgroup.procs" ] && bases="$bases $base"
done
[ -n "$bases" ] || exit 1

finish() {
    trap - EXIT HUP INT TERM
    # The end of a namespace's first process is the end of all in it.
    kill -KILL "$holder" 2>/dev/null
    wait
    for base in $bases; do
        for _ in $(seq 100); do
            [ -d "$base/$lab" ] || break
            find "$base/$lab" -depth -type d -exec rmdir {} + 2>/dev/null
            sleep 0.05
        done
    done
    exit 0
}

for base in $bases; do mkdir -p "$base/$lab" || exit 1; done

# shellcheck disable=SC2016
sh -c 'for base in $1; do echo $$ >"$base/$2/cgroup.procs" || exit 1; done
    exec unshare --cgroup --mount --propagation private --pid --fork --kill-child sh -c "$5" inner "$3" "$4"' \
    holder "$bases" "$lab" "$root" "$cache" '
set -eu
root=$1 cache=$2
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lab /run/dbus
mount --bind "$root" /run/lab
mount --bind "$cache/node" /run/lab/node
mount --bind "$cache/openclaw" /run/lab/openclaw
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
if mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd 2>/dev/null; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
else
    umount /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
mount --bind /run/lab/passwd /etc/passwd
mount --bind /run/lab/group /etc/group
mount --bind /run/lab/rules /etc/polkit-1/rules.d
mount --bind /run/lab/units /etc/systemd/system
systemd=/lib/systemd/systemd
[ -x "$systemd" ] || systemd=/usr/lib/systemd/systemd
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=lab SYSTEMD_UNIT_PATH=/run/lab/units \
    "$systemd" --system --log-target=console --show-status=0 </dev/null >>/run/lab/manager.log 2>&1' &
holder=$!
trap finish EXIT HUP INT TERM
echo "up $holder"
while read -r line; do :; done
