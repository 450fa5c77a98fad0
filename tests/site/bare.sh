# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-site and guestbook.sh
# The guest book on a host that has no Docker: it carries one, that of this machine's packages. systemd is a stand-in that runs
# what the unit says, for there is none in a namespace.

. "$ROOT/tests/site/guestbook.sh"

PARTS=(/usr/bin/docker /usr/sbin/dockerd /usr/sbin/docker-proxy /usr/bin/docker-init /usr/bin/containerd
    /usr/bin/containerd-shim-runc-v2 /usr/bin/ctr /usr/sbin/runc)

# carry VERSION: its bundle, with an engine in it: $DIR/carried/VERSION.run.
carry() {
    local folder=$DIR/carried/$1 part
    mkdir -p "$folder" "$T/engine/docker"
    cp "$WEBAPP/$1"/* "$folder/"
    for part in "${PARTS[@]}"; do cp -L "$part" "$T/engine/docker/"; done
    tar -C "$T/engine" -c docker | gzip -1 >"$folder/engine.tgz"
    echo 'engines: [{ artifact: engine.tgz }]' >>"$folder/product.yaml"
    sed -i 's|^  "artifacts": \[|&\n    { "name": "engine.tgz", "kind": "engine", "urls": ["engine.tgz"] },|' "$folder/manifest.json"
    "$PACK" lock --quiet --update --no-cache "$folder/manifest.json"
    "$PACK" bundle --quiet --compression fast -o "$folder.run" "$folder"
}
carried() { sh "$DIR/carried/$1.run" "${@:2}" </dev/null; }

is_up() { docker version >/dev/null 2>&1; }
stop_docker() {
    kill "$(cat /run/docker.pid)"
    while [[ -e /proc/$(cat /run/docker.pid 2>/dev/null)/exe ]]; do sleep 0.1; done
    ! is_up || fail 'Docker still answers'
}

# make_bare: from now on this host has no Docker, and a systemd.
make_bare() {
    local folder
    for folder in bin sbin; do
        mkdir -p "$DIR/usr/$folder"/{new,work}
        mount -t overlay -o "lowerdir=/usr/$folder,upperdir=$DIR/usr/$folder/new,workdir=$DIR/usr/$folder/work" overlay "/usr/$folder"
    done
    rm -f /usr/{bin,sbin}/{docker,dockerd,docker-*,containerd*,ctr,runc,systemctl}
    mkdir -p /run/systemd/system
    cat >/usr/local/bin/systemctl <<'STAND_IN'
#!/bin/bash
unit=/etc/systemd/system/docker.service
echo "$*" >>/run/asked
case "$*" in
    'is-active docker') if docker version >/dev/null 2>&1; then echo active; else echo inactive && exit 3; fi ;;
    'cat docker') cat "$unit" ;;
    'start docker')
        ulimit -n "$(sed -n 's/^LimitNOFILE=//p' "$unit")"
        # shellcheck disable=SC2046 # a command line
        setsid $(sed -n 's/^ExecStart=//p' "$unit") --exec-root /run/docker --pidfile /run/docker.pid >>/run/dockerd.log 2>&1 </dev/null &
        ;;
esac
STAND_IN
    chmod 755 /usr/local/bin/systemctl
    hash -r
}

test_a_dry_run_on_a_host_without_docker() {
    carry 1.0.0
    carry 1.1.0
    stop_docker
    make_bare
    ! command -v docker dockerd || fail 'it is not bare'
    carried 1.0.0 preflight --install-dir "$INSTALL" --set "port=$PORT" | tee "$T/said"
    grep -q 'there is no Docker here: .* would be installed from engine.tgz' "$T/said" || fail 'it does not say so'
    carried 1.0.0 install --dry-run --install-dir "$INSTALL" --set "port=$PORT"
    ! command -v docker dockerd || fail 'a dry run changed something'
    [[ ! -e /etc/systemd/system/docker.service && ! -e /etc/pack/guestbook.json ]] || fail 'a dry run changed something'
}

test_a_product_brings_its_docker() {
    carried 1.0.0 install --install-dir "$INSTALL" --set "port=$PORT"
    whole 1.0.0 0
    [[ $(command -v dockerd) == /usr/bin/dockerd ]] || fail "$(command -v dockerd)"
    grep -qx 'enable docker' /run/asked || fail 'it will not start at boot'
    grep -qx 'LimitNOFILE=1048576' /etc/systemd/system/docker.service || fail 'its unit'
}

test_one_that_stands_still_is_started_and_an_update_goes_on() {
    local before
    before=$(stat -c %i /usr/bin/dockerd)
    stop_docker
    carried 1.1.0 update --dry-run | tee "$T/said"
    grep -q 'Docker is here, stands still, and would be started' "$T/said" || fail 'it does not say so'
    ! is_up || fail 'a dry run started it'
    carried 1.1.0 update
    whole 1.1.0 1
    [[ $(stat -c %i /usr/bin/dockerd) == "$before" ]] || fail 'it was replaced'
}

# What was broken off needs a Docker to come to its end.
test_what_was_broken_off_comes_to_its_end_once_docker_runs() {
    killed deploying sh "$(bundle 1.2.0-hangs)" update
    stop_docker
    carried 1.1.0 update
    whole 1.1.0 2
}

# A container that ended while Docker was stopped, and that the swarm has forgotten, is left: it goes too.
test_uninstalling_leaves_docker_and_no_container() {
    docker create --label com.docker.stack.namespace=guestbook "$(docker ps --quiet --no-trunc --format '{{.Image}}' | head -n 1)" true >"$T/left"
    site uninstall --purge --yes
    [[ -z $(docker ps --all --quiet) ]] || fail "$(docker ps --all)"
    is_up || fail 'Docker went too'
}
