# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, FOLDER ... are of ci/test-portable and folder.sh
# The run script without Docker: options, plans, findings before a first installation. `ci/test-portable plans` runs
# this file.

. "$ROOT/tests/portable/folder.sh"

test_help_names_every_option_and_verb() {
    local word
    make_folder
    run 0 --help
    for word in --mini --install-dir --port --no-mysql --no-redis --mqtt --config --advertise-addr --online --dry-run --yes \
        status restart stop logs backup restore set external uninstall --purge doctor; do said "$word"; done
}

test_wrong_usage_touches_nothing() {
    local before after
    make_folder
    before=$(find "$T" | sort)
    run 2 --unknown; said 'unknown option: --unknown'
    run 2 --port; said '--port needs a value'
    run 2 --port --mini; said '--port needs a value'
    run 2 --port=; said '--port needs a value'
    run 2 --port=70000; said 'not a port number'
    run 2 --port=08; run 2 --port=80x
    run 2 --mini=yes; said '--mini takes no value'
    run 2 --install-dir relative; said 'absolute path'
    run 2 --install-dir '/a b'; run 2 --install-dir /a/../b; run 2 --install-dir /; run 2 '--install-dir=/a;b'
    run 2 --timeout soon
    run 2 --config "$T/none"; said 'cannot be read'
    run 2 frobnicate; said 'unknown verb'
    run 2 install more; run 2 restore; run 2 set; run 2 external
    run 2 status --mini; said '--mini is not an option of status'
    run 2 --purge; said '--purge is not an option of install'
    after=$(find "$T" | sort)
    [[ $before == "$after" ]] || fail 'something was made'
}

test_both_spellings_of_a_value() {
    local first
    make_folder
    fake_docker 24.0.9
    plan --port 9000 --advertise-addr eth0
    first=$OUTPUT
    plan --port=9000 --advertise-addr=eth0
    [[ $first == "$OUTPUT" ]] || fail 'the plans differ'
    said ':9000'
}

test_plans() {
    make_folder
    fake_docker 24.0.9
    plan
    said 'Docker 24.0.9 is here and stays' "this node's is used" 'new, with random secrets' \
        'services       mysql redis server worker-0 worker-1-6 worker-7 worker-8-9 beat' 'from mysql.tar.gz' 'http://192.0.2.10:8088'
    silent mosquitto
    plan --mini --no-mysql --no-redis
    said 'services       server worker beat'
    silent mysql.tar.gz redis.tar.gz
    plan --mqtt --online
    said 'mosquitto:2.0.3, pulled' 'services       mysql redis mosquitto server'
    fake_docker 24.0.9 'inactive false'
    plan
    said 'docker swarm init --advertise-addr 192.0.2.10'
    rm "$T/bin/docker"
    plan
    said 'install Docker 24.0.9 from docker-18.06.3-ce.tgz'
}

test_findings_about_docker() {
    make_folder
    fake docker 'case "$*" in --version) echo Docker version 18.06 ;; *) exit 1 ;; esac'
    fake systemctl 'echo failed; exit 1'
    run 1 --dry-run --install-dir "$INSTALL"; said 'Docker is installed but does not answer; it is not replaced'
    fake docker 'echo podman version 4'
    run 1 --dry-run --install-dir "$INSTALL"; said 'podman'
    fake_docker 17.03.2
    run 1 --dry-run --install-dir "$INSTALL"; said 'Docker 17.03.2 is too old'
    fake_docker 24.0.9 'active false node1'
    run 1 --dry-run --install-dir "$INSTALL"; said 'worker of a swarm' 'docker node promote'
    fake_docker 24.0.9 'locked false'
    run 1 --dry-run --install-dir "$INSTALL"; said 'docker swarm unlock'
    rm "$T/bin/docker" "$T/bin/iptables"
    run 1 --dry-run --install-dir "$INSTALL"; said 'iptables is missing'
    printf '#!/bin/sh\nexit 1\n' >"$T/engine/docker/dockerd"
    make_folder_again
    run 1 --dry-run --install-dir "$INSTALL"; said 'does not start on this host'
    # Docker 18.06 knows nothing of the only kind of cgroups that newer systems have.
    fake stat "case \"\$*\" in *'/sys/fs/cgroup') echo cgroup2fs ;; *) exec /usr/bin/stat \"\$@\" ;; esac"
    printf '#!/bin/sh\necho Docker version 18.06.3-ce, build d7080c1\n' >"$T/engine/docker/dockerd"
    make_folder_again
    run 1 --dry-run --install-dir "$INSTALL"; said 'cgroup v2 only, which the carried Docker 18.06.3-ce does not know'
}

test_files_without_a_limit_are_told() {
    make_folder
    fake_docker 24.0.9
    grep -q '^LimitNOFILE=1048576$' "$FOLDER/docker.service" || fail 'our own unit'
    systemctl_says() { fake systemctl "case \"\$*\" in is-active*$1*) echo active ;; *LimitNOFILE*$1*) echo LimitNOFILE=$2 ;; *LimitNOFILE*) echo LimitNOFILE=infinity ;; is-active*) echo inactive; exit 3 ;; esac"; }
    for limit in infinity 1073741816; do
        systemctl_says docker "$limit"
        plan; said "docker.service has LimitNOFILE=$limit" 'LimitNOFILE=1048576' 'systemctl daemon-reload'
        systemctl_says containerd "$limit"
        plan; said "containerd.service has LimitNOFILE=$limit"
    done
    systemctl_says docker 1048576
    plan; silent LimitNOFILE
}

test_apparmor_needs_its_parser() {
    make_folder
    [[ $EUID -eq 0 ]] || { echo 'skipped: mounting needs root'; return 0; }
    fake_docker 24.0.9
    # Only inside a mount namespace of its own has the kernel AppArmor, whatever it has here.
    apparmor() { # apparmor Y|N
        # shellcheck disable=SC2016 # the inner bash expands them
        OUTPUT=$(FOLDER=$FOLDER INSTALL=$INSTALL T=$T unshare --mount bash -c '
            mount -t tmpfs tmpfs /sys/module && mkdir -p /sys/module/apparmor/parameters
            echo "$1" >/sys/module/apparmor/parameters/enabled
            PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run --install-dir "$INSTALL" 2>&1 </dev/null' apparmor "$1") || true
    }
    rm -f "$T/bin/apparmor_parser"
    apparmor Y; said 'AppArmor is on in this kernel, but apparmor_parser is missing' 'package apparmor; or boot with apparmor=0'
    apparmor N; silent AppArmor
    fake apparmor_parser 'exit 0'
    apparmor Y; silent AppArmor; said 'new, with random secrets'
}

test_a_small_disk_is_warned_of() {
    make_folder
    fake_docker 24.0.9
    fake df 'printf "h\n/dev/x 9000 1000 8000 12%% /\n"'
    plan; said 'the disk has 9000 MB, the product is made for 20 GB'
    fake df 'printf "h\n/dev/x 19000 11000 8000 58%% /\n"'
    plan; silent 'the disk has'
}

test_a_docker_that_stands_still_is_started_not_replaced() {
    make_folder
    fake docker 'case "$*" in --version) echo Docker version 24.0.9 ;; *) exit 1 ;; esac'
    fake systemctl 'case "$*" in "is-active docker") echo inactive; exit 3 ;; "cat docker") exit 0 ;; *) exit 1 ;; esac'
    plan; said 'Docker is here (stopped) and stays'; silent 'it is not replaced'
}

test_memory_is_asked_by_mode() {
    make_folder
    fake_docker 24.0.9
    fake awk 'case "$*" in *MemTotal*) echo 2900 ;; *) exec /usr/bin/awk "$@" ;; esac'
    plan; said '2900 MB of memory, 4 GB are needed' '--mini (2 GB)'
    plan --mini; silent 'MB of memory'
    fake awk 'case "$*" in *MemTotal*) echo 1500 ;; *) exec /usr/bin/awk "$@" ;; esac'
    plan --mini; said '1500 MB of memory, 2 GB are needed'
}

test_a_swarm_needs_an_address_and_its_ports() {
    make_folder
    fake_docker 24.0.9 'inactive false'
    fake ip 'exit 0'
    plan; said 'this host has no network address' '--advertise-addr 127.0.0.1'
    plan --advertise-addr 127.0.0.1; silent 'no network address'
    listen 2377
    plan --advertise-addr 127.0.0.1; said 'port 2377 is taken, the swarm needs it'
    kill "$LISTENER_PID"
    fake_docker 24.0.9 'pending false'
    run 1 --dry-run --install-dir "$INSTALL"; said "this host's swarm is in the state pending"
}

test_only_a_host_without_docker_asks_the_bundle_for_the_engine() {
    make_folder
    fake_docker 24.0.9
    mv "$FOLDER/docker-18.06.3-ce.tgz" "$T/carried"
    # The folder is here what `pack` unpacked from a bundle.
    fake pack "echo \"\$*\" >>'$T/asked'; case \$1 in cat) gzip -dc '$T/carried' ;; esac"
    export PACK=$T/bin/pack PACK_BUNDLE=$T/x.run
    : >"$PACK_BUNDLE"
    run 0 --dry-run --install-dir "$INSTALL"
    [[ ! -e $T/asked ]] || fail "a host with Docker asked: $(cat "$T/asked")"
    rm "$T/bin/docker"
    plan; said 'install Docker 24.0.9 from docker-18.06.3-ce.tgz'
    [[ $(cat "$T/asked") == "cat --decompress $PACK_BUNDLE docker-18.06.3-ce.tgz" ]] || fail "asked: $(cat "$T/asked")"
    [[ ! -e $FOLDER/docker-18.06.3-ce.tgz ]] || fail 'the archive was written to the disk'
    fake pack 'echo "error: the bundle is damaged" >&2; exit 3'
    run 1 --dry-run --install-dir "$INSTALL"; said 'does not start on this host' 'the bundle is damaged'
}

make_folder_again() { # with the engine archive as it now is
    local digest
    tar -C "$T/engine" -czf "$FOLDER/docker-18.06.3-ce.tgz" docker
    digest=$(sha256sum "$FOLDER/docker-18.06.3-ce.tgz" | cut -d ' ' -f 1)
    sed -i -E "s/(\"name\": \"docker-18.06.3-ce.tgz\"[^}]*sha256:)[0-9a-f]*/\1$digest/" "$FOLDER/manifest.json"
}

test_findings_about_the_host_come_in_one_list() {
    make_folder
    fake_docker 24.0.9 'inactive false'
    fake nproc 'echo 1'
    fake id 'echo 1000'
    # shellcheck disable=SC2016 # the fake expands it
    fake uname 'case "$1" in -r) echo 2.6.32-754 ;; -m) echo x86_64 ;; esac'
    fake df 'printf "h\n/dev/x 10 9 7 90%% /\n"'
    fake getenforce 'echo Enforcing'
    fake firewall-cmd 'exit 0'
    fake ip 'case "$*" in *addr*) printf "2: eth0    inet 192.0.2.10/24 x\n3: eth1    inet 198.51.100.7/24 x\n4: docker0    inet 172.17.0.1/16 x\n" ;; *route*) echo "10.0.1.0/24 dev eth1" ;; esac'
    run 1 --dry-run --install-dir "$INSTALL"
    said 'no root rights' '1 CPU core, 2 are needed' 'Linux 2.6.32-754 is too old' '7 MB free' 'needed for the images, configuration' 'eth0 192.0.2.10,eth1 198.51.100.7' \
        '--advertise-addr' 'SELinux is enforcing' 'firewall-cmd --permanent --add-port=8088/tcp' 'networks that Docker takes'
    silent docker0
    run 1 --dry-run --install-dir "$INSTALL" --mini --advertise-addr eth9
    silent 'CPU core'
    said 'neither an interface nor an address' 
    run 1 --dry-run --install-dir "$INSTALL" --advertise-addr eth1
    silent 'several addresses' 'neither an interface'
}

test_a_taken_port_is_named() {
    local port
    make_folder
    fake_docker 24.0.9
    listen 0
    port=$LISTENING
    plan --port "$port"
    said "port $port is taken"
    # After a reboot: docker ps does not have the container yet that Docker is just starting.
    fake docker "case \"\$*\" in 'service ls --quiet'*) echo id1 ;; 'service inspect'*EndpointSpec*) echo ':$port->' ;; $(sed -n '/case/,$p' "$T/bin/docker" | sed 1d)"
    plan --port "$port"
    silent "port $port is taken"
    kill "$LISTENER_PID"
}

test_a_taken_port_is_seen_on_a_host_without_ipv6() {
    make_folder
    fake_docker 24.0.9
    fake cat 'case "$*" in */tcp6*) /usr/bin/cat /proc/net/tcp; exit 1 ;; *) exec /usr/bin/cat "$@" ;; esac'
    listen 0
    plan --port "$LISTENING"; said "port $LISTENING is taken"
    kill "$LISTENER_PID"
}

test_findings_about_files() {
    make_folder
    fake_docker 24.0.9
    echo damaged >"$FOLDER/redis.tar.gz"
    run 3 --dry-run --install-dir "$INSTALL"; said 'redis.tar.gz is damaged'
    run_without_redis
    rm "$FOLDER/mysql.tar.gz"
    run 3 --dry-run --install-dir "$INSTALL"; said 'mysql.tar.gz is not in' 'redis.tar.gz is damaged'
    sed -i 's|"name": "eclipse-mosquitto.tar.gz", |&"platform": "linux/s390x", |' "$FOLDER/manifest.json"
    run 3 --dry-run --install-dir "$INSTALL" --mqtt; said 'eclipse-mosquitto.tar.gz is for another architecture'
    rm "$FOLDER/manifest.json"
    run 1 --dry-run --install-dir "$INSTALL"; said 'manifest.json'
    fake awk 'exit 7' # of all things
    run 1 --dry-run --install-dir "$INSTALL"; said 'a command that is expected to work failed (exit 7'
}

run_without_redis() { # what is not needed is not looked at
    plan --no-redis
    silent damaged
}

test_the_brokers_port_is_not_funcs() {
    make_folder
    fake_docker 24.0.9
    touch "$T/installed"
    mkdir -p "$INSTALL"
    printf '{ "version": "1.0.0", "ready": "t", "options": { "mqtt": true } }\n' >"$INSTALL/receipt.json"
    plan --port 1883; said "port 1883 is the MQTT broker's"
    plan --port 1883 --no-mqtt; silent "the MQTT broker's"
}

test_an_engine_is_not_laid_over_another_one() {
    make_folder
    [[ $EUID -eq 0 ]] || { echo 'skipped: mounting needs root'; return 0; }
    # Only inside a mount namespace of its own is /usr/bin another one.
    # shellcheck disable=SC2016 # the inner bash expands them
    OUTPUT=$(FOLDER=$FOLDER INSTALL=$INSTALL T=$T unshare --mount bash -c '
        mkdir "$T/upper" "$T/work" && mount -t tmpfs tmpfs "$T/upper" && mkdir "$T/upper/up" "$T/upper/work"
        mount -t overlay overlay -o "lowerdir=/usr/bin,upperdir=$T/upper/up,workdir=$T/upper/work" /usr/bin || exit 75
        echo other >/usr/bin/dockerd
        PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run --install-dir "$INSTALL" 2>&1 </dev/null') || [[ $? != 75 ]] ||
        { echo 'skipped: no overlay file system'; return 0; }
    said '/usr/bin/dockerd is here already'
}
