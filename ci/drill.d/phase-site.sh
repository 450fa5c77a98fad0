# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The first installation, its next start and its end. Sourced by ci/drill.

# What the scripts in the machine go by: where the product is, and on which port.
# shellcheck disable=SC2034 # of vm.sh
installed_at() { vm_settings="DIR=$1 PORT=$2"; }

# new_site NAME: a machine nobody has touched, with both sticks in it.
new_site() {
    base_provide
    vm_new "$1"
    sticks_mount
}

sticks_mount() {
    holds 60 'the sticks are vfat, read-only and noexec' <<'SCRIPT'
        set -e
        mountpoint -q /media/stick || mount -o ro,noexec LABEL=PACK100 /media/stick
        mountpoint -q /media/update || mount -o ro,noexec LABEL=PACK101 /media/update
        is_stick /media/stick
        is_stick /media/update
SCRIPT
}

all_services='mysql redis server worker-0 worker-1-6 worker-7 worker-8-9 beat'

phase_site() {
    local begun
    installed_at /usr/local/dataflux-func 8088
    if vm_is_up; then sticks_mount; else new_site site; fi # the machine that the phase hello has left as bare as it was
    holds 60 'a bare machine: no network card, no Docker, no curl, no python' <<'SCRIPT'
        set -e
        [[ $(ls /sys/class/net | paste -s -d ' ') == 'eth0 lo' ]]
        [[ ! -e /sys/class/net/eth0/device ]] # a cable within the machine, see drill-network.service
        [[ -z $(ip route show default) ]]
        ! command -v docker dockerd containerd curl wget python3
SCRIPT
    holds 120 'a clock that stands in 1970 is told, with what to type, and nothing is changed' <<SCRIPT
        now=\$(date +%s)
        date -s 1970-01-02
        sh /media/stick/$first 2>&1 | tee /root/told
        date -s "@\$now"
        set -e
        grep -F "clock says 1970-01-02" /root/told
        grep -F "date -u -s" /root/told
        ! command -v docker
SCRIPT
    cut_in_installation
    begun=$SECONDS
    holds 1500 'the same command again, sh x.run --mqtt: done' <<SCRIPT
        sh /media/stick/$first --mqtt
SCRIPT
    note "installed in $((SECONDS - begun)) s"
    said 'ok bundle' 'the bundle was verified'
    holds 60 'engine installed; its unit 0644, enabled, active' <<'SCRIPT'
        set -e
        unit=$(systemctl show -P FragmentPath docker)
        stat -c '%a %U:%G %n' "$unit"
        [[ $(stat -c '%a %U' "$unit") == '644 root' ]]
        [[ $(systemctl is-enabled docker) == enabled && $(systemctl is-active docker) == active ]]
        [[ -z $(find /usr/bin -newer /etc/machine-id -perm /022 -type f) ]]
SCRIPT
    holds 60 'the swarm is up' <<'SCRIPT'
        [[ $(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}') == 'active true' ]]
SCRIPT
    holds 60 'all services at their replicas' <<<"services $all_services mosquitto"
    holds 60 'before its set-up / is the page for it' <<'SCRIPT'
        [[ $(http / | tee /dev/stderr) == '200 '*'Set up'* ]]
SCRIPT
    holds 300 'it is set up' <<'SCRIPT'
        set_up && until_holds 240 is_set_up
SCRIPT
    holds 60 '/ redirects to /client-app and that answers, here and next door' <<'SCRIPT'
        set -e
        [[ $(http / | tee /dev/stderr) == '302 -> /client-app '* ]]
        [[ $(http /client-app | tee /dev/stderr) == '200 '* ]]
        NEIGHBOUR=$FROM_NEIGHBOUR
        [[ $(http / 192.0.2.10) == '302 -> /client-app '* ]]
        [[ $(http /client-app 192.0.2.10) == '200 '* ]]
SCRIPT
    holds 300 'a row written through Func stands in MySQL' <<'SCRIPT'
        row() { [[ -n $(sql 'SELECT id FROM func_task WHERE id = 1') ]]; }
        until_holds 240 row && sql 'SELECT id, queue, worker, done FROM func_task WHERE id = 1' | tee /root/row
        tasks=$(client_app | json tasks) && echo "Func counts $tasks" && ((tasks > 0))
SCRIPT
    holds 120 'the MQTT broker passes a message on, and refuses a wrong password' <<'SCRIPT'
        # Python and its MQTT library are borrowed from the container's files, the network is the neighbour's.
        root=$(docker inspect --format '{{.GraphDriver.Data.MergedDir}}' "$(container server)")
        MQTT_PASSWORD=$(mqtt_password) MQTT_USERNAME=dataflux_func \
            $FROM_NEIGHBOUR chroot "$root" python3 - <<'PYTHON'
import os, sys, time
import paho.mqtt.client as mqtt

def connect(password, got):
    client, codes = mqtt.Client(), []
    client.username_pw_set(os.environ["MQTT_USERNAME"], password)
    client.on_connect = lambda *arguments: codes.append(arguments[3])
    client.on_subscribe = lambda *_: client.publish("drill/topic", "air gap")
    client.on_message = lambda _client, _data, message: got.append(message.payload)
    client.connect("192.0.2.10", 1883)
    client.loop_start()
    deadline = time.time() + 30
    while not codes and time.time() < deadline:
        time.sleep(0.1)
    if codes == [0]:
        client.subscribe("drill/#")
        while not got and time.time() < deadline:
            time.sleep(0.1)
    return codes[:1]

good, bad = [], []
print(connect(os.environ["MQTT_PASSWORD"], good), good)
refused = connect("wrong", bad)
print(refused, bad)
sys.exit(not (good == [b"air gap"] and refused == [5] and not bad))
PYTHON
SCRIPT
    holds 120 'MySQL and Redis cannot be reached from outside the overlay' <<'SCRIPT'
        reach() { timeout 5 ${NEIGHBOUR-} bash -c ': 3<>"/dev/tcp/$1/$2"' reach "$1" "$2" 2>/dev/null; }
        failed=0
        # The neighbour even tries the way through this host to the containers' own addresses.
        ip -n neighbour route add default via 192.0.2.10
        for name in mysql redis; do
            port=$([[ $name == mysql ]] && echo 3306 || echo 6379)
            inside=$(nsenter -t "$(docker inspect -f '{{.State.Pid}}' "$(container $name)")" -n ip -o -4 addr show scope global |
                awk '{ sub(/\/.*/, "", $4); print $4 }')
            echo "$name $port: $inside"
            [[ -n $inside ]] || failed=1
            for address in 192.0.2.10 $inside; do
                ! NEIGHBOUR=$FROM_NEIGHBOUR reach "$address" "$port" || { echo "$address:$port answers next door"; failed=1; }
            done
            for address in 127.0.0.1 192.0.2.10; do
                ! reach "$address" "$port" || { echo "$address:$port answers here"; failed=1; }
            done
        done
        # The same asking does find what is published.
        NEIGHBOUR=$FROM_NEIGHBOUR reach 192.0.2.10 "$PORT" || { echo "$PORT does not answer next door"; failed=1; }
        ip -n neighbour route del default
        exit $failed
SCRIPT
    holds 60 'secrets are 0600, long enough, and nowhere else' <<'SCRIPT'
        set -e
        stat -c '%a %U %n' "$DIR/data/user-config.yaml" "$DIR/docker-stack.yaml"
        [[ $(stat -c '%a %U' "$DIR/data/user-config.yaml") == '600 root' ]]
        [[ $(stat -c '%a %U' "$DIR/docker-stack.yaml") == '600 root' ]]
        # The broker's own list of passwords is its user's and nobody else's.
        [[ $(stat -c %a "$DIR/mosquitto/passwd") == 600 && -s $DIR/mosquitto/passwd ]]
        for value in "$(config SECRET)" "$(config MYSQL_PASSWORD)" "$(mqtt_password)"; do
            ((${#value} >= 32))
            [[ -z $(grep -rlF -- "$value" /etc "$DIR/docker-stack.yaml" /var/lib/pack "$DIR/data/logs") ]]
        done
        [[ $(config SECRET) != "$(config MYSQL_PASSWORD)" ]]
SCRIPT
    holds 60 'the logrotate file is valid' <<'SCRIPT'
        logrotate -d /etc/logrotate.d/dataflux-func 2>&1 | tee /run/logrotate
        [[ ${PIPESTATUS[0]} == 0 ]] && ! grep -i error: /run/logrotate && grep -q "$DIR/data/logs/dataflux-func.log" /run/logrotate
SCRIPT
    no_password_is_lost
    holds 60 'no file is left in /tmp' <<<'nothing_left /tmp /var/tmp /dev/shm'
    [[ -z ${DRILL_DIR-} ]] || { vm_run 120 <<<'sync' && vm_copy_disk "$work/site.raw"; }
}

# The machine as phase_site left it in an earlier drill, switched on again.
site_again() {
    installed_at /usr/local/dataflux-func 8088
    base_provide
    vm_new site "$work/site.raw"
    sticks_mount
    holds 600 'the machine of an earlier drill is up again' <<SCRIPT
        answers() { [[ -n \$(client_app) ]]; }
        until_holds 500 services $all_services mosquitto >/dev/null
        until_holds 60 answers
SCRIPT
}

# The row that the first installation wrote, as it was, and new ones come.
row_stands() {
    holds 300 'the row is still there, and new ones come' <<'SCRIPT'
        set -e
        [[ $(sql 'SELECT id, queue, worker, done FROM func_task WHERE id = 1' | tee /dev/stderr) == "$(cat /root/row)" ]]
        before=$(sql 'SELECT COUNT(*) FROM func_task')
        more() { (($(sql 'SELECT COUNT(*) FROM func_task') > before)); }
        until_holds 120 more
SCRIPT
}

phase_purge() {
    holds 600 'uninstall --purge: no container, volume, network, secret, file or unit of the product remains' <<'SCRIPT'
        set -e
        pack site uninstall --purge --yes
        failed=0
        gone() { [[ -z $2 ]] || { printf 'still there, %s:\n%s\n' "$1" "$2"; failed=1; }; }
        gone containers "$(docker ps -aq)"
        gone volumes "$(docker volume ls -q)"
        gone networks "$(docker network ls --format '{{.Name}}' | grep dataflux || true)"
        gone services "$(docker service ls -q)"
        gone secrets "$(docker secret ls -q; docker config ls -q)"
        gone files "$(ls -d "$DIR" 2>/dev/null || true; find / -xdev -name '*dataflux*' ! -path '/proc/*' ! -path '/var/lib/docker/*' ! -path '/media/*' 2>/dev/null)"
        gone units "$(systemctl list-unit-files --no-legend | grep -i dataflux || true; systemctl list-timers --all --no-legend | grep -i dataflux || true)"
        nothing_left /tmp /var/tmp /dev/shm || failed=1
        exit $failed
SCRIPT
    vm_leave
}
