#!/bin/sh
# First process of the lab's own mount namespace. It holds the namespace open, starts the managers, and takes the
# lab down when its standard input ends, so that nothing is left even when the test is killed.
#
#   sh lab.sh LAB ROOT NOTIFY      (LAB: name of the lab's cgroup folder; ROOT: its folder; NOTIFY: readiness socket)
#
# Lines it understands: `user` starts the user manager, `system` starts the stand-in for the system manager,
# `stop-user` ends the user manager in order and answers `stopped`, `journal` starts a journald of the lab's own.
set -u
lab=$1 root=$2 notify=$3
user='' system=''

# Folders that the managers may use, one per cgroup hierarchy that systemd knows.
bases=''
for base in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$base/cgroup.procs" ] && bases="$bases $base"
done

finish() {
    trap - EXIT HUP INT TERM
    for base in $bases; do
        folder=$base/$lab
        [ -d "$folder" ] || continue
        if [ -e "$folder/cgroup.kill" ]; then
            echo 1 >"$folder/cgroup.kill"
        else
            for _ in 1 2 3 4 5 6 7 8 9 10; do
                pids=$(find "$folder" -name cgroup.procs -exec cat {} +)
                [ -n "$pids" ] || break
                # shellcheck disable=SC2086
                kill -KILL $pids 2>/dev/null
                sleep 0.1
            done
        fi
    done
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
trap finish EXIT HUP INT TERM

# manager LEAF FOLDER: starts a user manager in the cgroup LEAF with its home and runtime folders below FOLDER.
manager() {
    rm -rf "$2/run"
    mkdir -p -m 700 "$2/home" "$2/run"
    for base in $bases; do mkdir -p "$base/$lab/$1" || exit 1; done
    # shellcheck disable=SC2016
    sh -c 'for base in $1; do echo $$ >"$base/$2/cgroup.procs" || exit 1; done; shift 2; exec env -i "$@"' \
        manager "$bases" "$lab/$1" \
        HOME="$2/home" USER="$(id -un)" LOGNAME="$(id -un)" PATH="$PATH" LANG=C.UTF-8 \
        XDG_RUNTIME_DIR="$2/run" DBUS_SESSION_BUS_ADDRESS="unix:path=$2/run/bus" \
        NOTIFY_SOCKET="$notify" SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=info \
        "$SYSTEMD" --user </dev/null >>"$2/manager.log" 2>&1 &
}

# A real journald whose files go with the namespace. It reads the unit of whoever prints from the path of its cgroup,
# which begins with the user's manager only as seen from the lab's own folder: so it gets a cgroup namespace there.
journal() {
    for base in $bases; do mkdir -p "$base/$lab/journald" || exit 1; done
    # shellcheck disable=SC2016
    sh -c 'for base in $1; do echo $$ >"$base/$2/cgroup.procs" || exit 1; done
        exec unshare --cgroup sh -c "$3" journald "$@"' \
        journal "$bases" "$lab" \
        'for base in $1; do echo $$ >"$base/$2/journald/cgroup.procs" || exit 1; done; shift 3; exec env -i "$@"' \
        PATH="$PATH" NOTIFY_SOCKET="$notify" SYSTEMD_LOG_TARGET=console "$JOURNALD" \
        </dev/null >>"$root/journald.log" 2>&1 &
}

# Units such as `systemctl` and libraries ask `/run/systemd/system` whether this machine runs systemd.
mount -t tmpfs -o mode=755 tmpfs /run/systemd && mkdir /run/systemd/system || exit 1
# Else the journal would be this machine's, and its files would stay. Nothing of the kernel is to be in it.
mkdir -p /run/log && mount -t tmpfs -o mode=755 tmpfs /run/log && mkdir /run/log/journal || exit 1
if [ -e /etc/systemd/journald.conf ]; then
    printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\n' >"$root/journald.conf"
    mount --bind "$root/journald.conf" /etc/systemd/journald.conf || exit 1
fi
mkdir -p /run/dbus && mount -t tmpfs -o mode=755 tmpfs /run/dbus || exit 1

# Inside, the account's home is the lab's: OpenClaw installs no service for any other home.
awk -F: -v OFS=: -v uid="$(id -u)" -v home="$root/user/home" '$3 == uid { $6 = home } { print }' \
    /etc/passwd >"$root/passwd" && mount --bind "$root/passwd" /etc/passwd || exit 1

while read -r line; do
    case $line in
    user)
        # The path that OpenClaw looks for when it asks which manager owns its process.
        manager "user@$(id -u).service" "$root/user"
        user=$!
        ;;
    stop-user)
        kill -TERM "$user" && wait "$user"
        echo stopped
        ;;
    journal)
        journal
        ;;
    system)
        [ -z "$system" ] || continue
        manager system.service "$root/system"
        system=$!
        ln -s "$root/system/run/bus" /run/dbus/system_bus_socket
        ln -s "$root/system/run/systemd/private" /run/systemd/private
        ;;
    esac
done
