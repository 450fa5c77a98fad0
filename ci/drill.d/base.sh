# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The bare site: a Debian of this machine's own release, made once and kept outside the work tree under a
# hash of everything that goes in. Sourced by ci/drill.
#
# It is what an installer with nothing ticked leaves behind: systemd, a kernel, AppArmor, iproute2, iptables, procps,
# logrotate with its cron, D-Bus. No Docker, no curl, no python, no ssh. Three units are the drill's own: the agent that
# runs what the drill sends, the network of the site (a cable that ends in a neighbour, inside the machine),
# and the login on the serial console.
#
# The kernel is Debian's cloud kernel, small and without usb-storage: the stick is a virtio disk.

readonly BASE_PACKAGES=linux-image-cloud-amd64,systemd-sysv,udev,kmod,dbus,apparmor,iproute2,iptables,procps,logrotate,e2fsprogs

# Sets base_dir: disk.raw, vmlinuz and initrd lie there; makes them when they are not there yet.
base_provide() {
    local suite mirror key
    # shellcheck disable=SC1091 # the machine's own
    suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
    key=$({
        printf '%s\n' "$suite" "$BASE_PACKAGES"
        grep -v '^ *#' ci/drill.d/base.sh
        cat ci/drill.d/guest/*
    } | sha256sum | cut -c 1-16)
    base_dir=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pack-drill/$key
    [[ ! -d $base_dir ]] || return 0

    # shellcheck disable=SC2016 # these are apt's own variables
    mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Architecture: amd64' |
        awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
    [[ -n $mirror ]] || die "apt knows no source of packages for $suite" "apt-get update"
    say "making the bare site: Debian $suite"
    local root=$work/root
    mkdir -p "$root"
    run_quietly debootstrap --variant=minbase --arch=amd64 --include="$BASE_PACKAGES" "$suite" "$root" "$mirror"
    base_configure "$root"
    rm -rf -- "$base_dir.new"
    mkdir -p "$base_dir.new"
    cp -- "$root"/boot/vmlinuz-* "$base_dir.new/vmlinuz"
    cp -- "$root"/boot/initrd.img-* "$base_dir.new/initrd"
    run_quietly mke2fs -q -t ext4 -L site -d "$root" "$base_dir.new/disk.raw" 24G
    rm -rf -- "$root"
    mv -T -- "$base_dir.new" "$base_dir"
}

base_configure() {
    local root=$1
    cp -- ci/drill.d/guest/agent.sh "$root/usr/local/sbin/drill-agent"
    cp -- ci/drill.d/guest/*.service "$root/etc/systemd/system/"
    mkdir -p "$root/etc/systemd/system/serial-getty@ttyS0.service.d" "$root/media/stick" "$root/media/update"
    cat >"$root/etc/systemd/system/serial-getty@ttyS0.service.d/login.conf" <<'CONF'
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --keep-baud 115200 %I linux
CONF
    chroot "$root" systemctl --quiet enable drill-agent.service drill-network.service
    # Timers that look for updates, or for work at their own hour, have nothing to do in a drill.
    chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
    echo site >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 site\n' >"$root/etc/hosts"
    printf 'LABEL=site / ext4 defaults 0 1\n' >"$root/etc/fstab"
    : >"$root/etc/machine-id"
    rm -f -- "$root"/var/cache/apt/archives/*.deb "$root"/etc/resolv.conf
}
