# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# Func on a real engine: installed, set up, lived with. One test continues where the one before ended, as an operator does.

. "$ROOT/tests/portable/installation.sh"

test_first_install() {
    local name
    # A host with two cards, one of which leads to addresses that containers would have.
    ip link add uplink1 type veth peer name uplink1-end
    ip addr add 198.51.100.9/24 dev uplink1
    ip link set uplink1 up
    ip route add 10.0.1.0/24 dev uplink1
    install 1.0.0 --mini --dry-run --timeout 900 | tee "$T/output"
    grep -qF -- 'reaches 10.0.1.0/24 by uplink1' "$T/output" || fail 'it does not say which addresses are taken'
    grep -qF -- '--addr-pool 10.200.0.0/16' "$T/output" || fail 'it does not say what to type'
    seconds 'installation (--mini)' install 1.0.0 --mini --addr-pool 10.200.0.0/16 | tee "$T/output"
    ! grep -qF -- 10.0.1.0/24 "$T/output" || fail 'a finding of nothing'
    [[ $(docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' dataflux-func_func) == 10.200.* ]] || fail 'containers have those addresses'
    [[ $(services) == 'beat 1/1 mysql 1/1 redis 1/1 server 1/1 worker 1/1' ]] || fail "$(services)"
    for name in "http://192.0.2.10:$PORT" "$CONFIG" "$DUMPS/" "$INSTALL/data/logs/dataflux-func.log" "$INSTALL/data/resources/"; do
        grep -qF -- "$name" "$T/output" || fail "it does not say: $name"
    done
    [[ ! -e /usr/local/dataflux-func ]] || fail 'there is something where it was not asked for'
    ! curl -sS --max-time 3 http://127.0.0.1:8088/ || fail 'it answers on the port that was not asked for'
    for name in data/resources/extra-python-packages data/resources/uploads data/logs data/sqldump mysql redis; do
        [[ -d $INSTALL/$name ]] || fail "there is no $name"
    done
    grep -q "^$INSTALL/data/logs/dataflux-func.log {" /etc/logrotate.d/dataflux-func || fail 'logrotate does not know of the log'
    if command -v logrotate >/dev/null; then
        logrotate --force --state "$T/rotated" /etc/logrotate.d/dataflux-func
        [[ -s $(echo "$INSTALL"/data/logs/dataflux-func.log-*.gz) ]] || fail "$(ls -l "$INSTALL/data/logs")"
    fi
    verb doctor | tee "$T/doctor"
    grep -q 'waits for its set-up' "$T/doctor" || fail 'it does not say that it is to be set up'
}

test_its_set_up() {
    [[ $(page) == '200 ' ]] || fail "before the set-up / says $(page)"
    [[ $(docker exec "$(container mysql)" ls /var/lib/mysql/dataflux_func) != *func_task* ]] || fail 'it is set up already'
    set_up '' || fail 'it cannot be set up'
    eventually "302 http://127.0.0.1:$PORT/client-app" page
    eventually True app setUp
    [[ $(app version) == 1.0.0 ]] || fail version
    eventually 1 sql 'SELECT id FROM func_task WHERE id = 1' # Func's own first row
    sql "INSERT INTO func_task (queue, worker) VALUES (99, 'mine')" # the row that every later test looks for
    verb doctor
    whole 1.0.0
}

test_secrets_and_modes() {
    local password
    [[ $(mode "$CONFIG") == 600 && $(mode "$INSTALL/docker-stack.yaml") == 600 && $(mode "$DUMPS") == 700 && $(mode "$INSTALL/secrets") == 700 ]] || fail modes
    password=$(configured MYSQL_PASSWORD)
    [[ $password =~ ^[0-9a-f]{48}$ && $(configured SECRET) =~ ^[0-9a-f]{48}$ && $(configured SECRET) != "$password" ]] || fail 'not 192 bits'
    [[ $(configured MYSQL_HOST) == mysql && $(configured MYSQL_USER) == root && -z $(configured REDIS_PASSWORD) ]] || fail "$(cat "$CONFIG")"
    ! grep -q MQTT_ "$CONFIG" || fail 'keys that no Func reads'
    ! docker service inspect dataflux-func_mysql dataflux-func_server | grep "$password" >/dev/null || fail 'the password is in the services'
    ! grep -rqF "$password" "$INSTALL/docker-stack.yaml" /etc/pack "$STATE" || fail 'the password is in another file'
    [[ $(docker service inspect dataflux-func_mysql dataflux-func_redis --format '{{.Endpoint.Ports}}' | sort -u) == '[]' ]] || fail 'a database publishes a port'
    ! verb get | grep -F "$password" || fail 'the password is shown unasked'
    ! grep -E 'image: .*:[0-9]+\.[0-9]' "$INSTALL/docker-stack.yaml" || fail 'the stack is not by ID'
}

# containers FIELD SERVICE...: what the engine says of them, a line each.
containers() {
    local service
    for service in "${@:2}"; do docker inspect --format "$1" "$(container "$service")"; done
}
test_what_containers_may() {
    [[ $(containers '{{.HostConfig.CapDrop}}' mysql redis server worker beat | sort -u) == '[CAP_ALL]' ||
        $(containers '{{.HostConfig.CapDrop}}' mysql redis server worker beat | sort -u) == '[ALL]' ]] || fail "$(containers '{{.HostConfig.CapDrop}}' server)"
    [[ $(containers '{{.HostConfig.ReadonlyRootfs}}' redis) == true ]] || fail 'the root of redis can be written to'
    [[ $(containers '{{.HostConfig.Init}}' server worker beat | sort -u) == true ]] || fail 'no init'
    ! containers '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' mysql redis server worker beat | grep -wE 0 || fail 'no limits'
    [[ $(docker service inspect dataflux-func_worker --format '{{.Spec.TaskTemplate.ContainerSpec.StopGracePeriod}}') == 1m0s ]] || fail 'a function has no time to end'
    [[ $(docker exec "$(container redis)" redis-cli config get appendonly | tail -n 1) == yes ]] || fail 'a power cut takes the queue away'
    docker exec "$(container redis)" redis-cli set mine yes
}

test_options_stay_unless_given() {
    local before id
    before=$(sha256sum "$CONFIG") id=$(container mysql)
    PORT=18089
    install 1.0.0 --no-mini
    [[ $(sha256sum "$CONFIG") == "$before" && $(container mysql) == "$id" ]] || fail 'what was not asked for changed'
    [[ $(services) == "$FULL" ]] || fail "$(services)"
    ! curl -sS --max-time 3 http://127.0.0.1:18088/ || fail 'the old port still answers'
    func 1.0.0 --mqtt
    eventually connected app mqtt
    [[ $(services) == *'worker-7 1/1'* && $(services) == *'mosquitto 1/1'* ]] || fail "an option that was not given did not stay: $(services)"
    ! docker service inspect dataflux-func_server | grep -F "$(cat "$INSTALL/secrets/mqtt-password")" >/dev/null || fail "the broker's password is in the services"
    [[ $(mode "$INSTALL/mosquitto/passwd") == 600 ]] || fail "others may read the broker's file"
    refused 1 'wanted twice' func 1.0.0 --port 1883
    func 1.0.0 --no-mqtt --port=18088
    PORT=18088
    [[ $(services) == "$FULL" ]] || fail "mosquitto still runs: $(services)"
    before=$(docker ps -q --no-trunc | sort)
    func 1.0.0
    [[ $(docker ps -q --no-trunc | sort) == "$before" ]] || fail 'a second installation changes something'
    [[ $(docker exec "$(container redis)" redis-cli get mine) == yes ]] || fail 'Redis forgot something'
    whole 1.0.0
}

test_backup_and_restore() {
    local dump first second row='SELECT id, queue, worker, done FROM func_task WHERE id = 1'
    dump=$(verb backup | head -n 1)
    [[ $dump =~ ^$DUMPS/dataflux-func-sqldump-[0-9]{8}-[0-9]{6}\.sql$ && -s $dump ]] || fail "the name $dump"
    [[ $(mode "$dump") == 600 ]] || fail 'the dump can be read by others'
    # shellcheck disable=SC2016 # SQL's quotes
    grep -q 'INSERT INTO `func_task`' "$dump" || fail 'the rows are not in it'
    sql "$row" >"$T/row"
    sql 'DELETE FROM func_task WHERE queue = 99; CREATE TABLE later (id INT); DELETE FROM func_task WHERE id = 1'
    (cd "$DUMPS" && verb restore "${dump##*/}")
    [[ $(sql "$ROW") == 1 && -s $T/row && $(sql "$row") == "$(cat "$T/row")" ]] || fail 'the rows did not come back as they were'
    [[ -z $(sql "SHOW TABLES LIKE 'later'") ]] || fail 'a later table is still there'
    # A dump that breaks off, and one that MySQL does not take: the database stays as it is, Func runs again.
    head -n 20 "$dump" >"$T/half.sql"
    refused 1 'not whole' verb restore "$T/half.sql"
    { echo 'CREATE GARBAGE;'; cat "$dump"; } >"$T/bad.sql"
    refused 1 'cannot be imported' verb restore "$T/bad.sql"
    whole 1.0.0
    # Only 168 are kept, the newest.
    for ((i = 0; i < 170; i++)); do : >"$DUMPS/dataflux-func-sqldump-20200101-$(printf %06d "$i").sql"; done
    verb backup
    [[ $(find "$DUMPS" -name '*.sql' | wc -l) -eq 168 && -e $dump ]] || fail 'not the newest 168 are kept'
    rm -f "$DUMPS"/*-2020*.sql
    # Nor does the clock matter: these were made before it was corrected. And there are those that nothing ever removes.
    for ((i = 0; i < 168; i++)); do : >"$DUMPS/dataflux-func-sqldump-20990101-$(printf %06d "$i").sql"; done
    : >"$DUMPS/before-take-over-20200101-000000.sql"
    first=$(verb backup | head -n 1)
    second=$(verb backup | head -n 1)
    [[ -s $first && -s $second ]] || fail 'a dump that was just made is gone'
    [[ $(find "$DUMPS" -name 'dataflux-func-sqldump-*.sql' | wc -l) -eq 168 ]] || fail 'not 168 are kept'
    [[ -e $DUMPS/before-take-over-20200101-000000.sql ]] || fail 'another dump is gone'
    rm -f "$DUMPS"/*-2099*.sql "$DUMPS"/before-*
}

test_set_restart_stop_logs() {
    local before server password
    before=$(container mysql) server=$(container server) password=$(configured MYSQL_PASSWORD)
    echo '# an operator was here' >>"$CONFIG"
    verb set LOG_LEVEL=INFO _WORKER_CONCURRENCY=20 _WORKER_PREFETCH_MULTIPLIER=1
    [[ $(container mysql) == "$before" ]] || fail 'set restarted the database'
    [[ -n $(container server) && $(container server) != "$server" ]] || fail 'the server did not read it'
    [[ $(configured MYSQL_PASSWORD) == "$password" && $(cat "$CONFIG") == *'# an operator was here'* ]] || fail 'another configuration'
    [[ $(stat -c '%a %U' "$CONFIG") == '600 root' && $(services) == "$FULL" ]] || fail "not everything runs again: $(services)"
    refused 2 'LOG_LEVEL is one of' verb set LOG_LEVEL=NONSENSE
    refused 2 'no key that is known' verb set NOTE=1
    refused 2 'made at random' verb set MYSQL_PASSWORD=other
    refused 2 'made at random' verb set SECRET=other
    # One that would lock Func out is undone.
    refused 1 undone verb set --timeout 30 REDIS_PASSWORD=other
    [[ -z $(configured REDIS_PASSWORD) ]] || fail 'it is not undone'
    verb set --force NOTE <<<"it's: #1"
    docker exec "$(container server)" /usr/bin/python3 -c 'import yaml; c = yaml.safe_load(open("/data/user-config.yaml")); assert c["LOG_LEVEL"] == "INFO" and c["_WORKER_CONCURRENCY"] == 20 and c["NOTE"] == "it'\''s: #1", c'
    verb restart
    [[ $(container mysql) != "$before" ]] || fail 'restart left the database alone'
    verb logs server --tail 5000 2>&1 | grep 'version 1.0.0 starts' >/dev/null || fail 'no output of the server'
    verb logs 2>&1 | grep INFO >/dev/null || fail 'no log'
    refused 2 'no service' verb logs nothing
    verb stop
    [[ -z $(services) ]] || fail 'the stack is still there'
    refused 1 stopped verb status
    # It is found where it was put, though nothing runs and nobody names the place.
    func 1.0.0
    [[ $(services) == "$FULL" && ! -e /usr/local/dataflux-func ]] || fail "it is not found while it is down: $(services)"
    # As the manual restarts it (4.2), with nothing but Docker.
    docker stack rm dataflux-func
    eventually '' docker ps -aq
    eventually '' docker network ls -q --filter label=com.docker.stack.namespace=dataflux-func
    docker stack deploy dataflux-func -c "$INSTALL/docker-stack.yaml"
    eventually "$FULL" services
    verb restart
    whole 1.0.0
}

test_what_keeps_functions_from_answering_is_found() {
    local log=$INSTALL/data/logs/dataflux-func.log
    cp "$log" "$T/log"
    echo 'celery.exceptions.TimeLimitExceeded: TimeLimitExceeded(30,)' >>"$log"
    refused 1 '1 timeouts' verb doctor
    cat "$T/log" >"$log" # the same file: Func has it open
    # Not the first of several queues.
    docker exec "$(container redis)" redis-cli -n 5 lpush 'func#workerQueue@41' 1
    docker exec "$(container redis)" redis-cli -n 5 eval "for i = 1, 1000 do redis.call('lpush', 'func#workerQueue@42', i) end" 0
    refused 1 '1000 tasks are waiting' verb doctor
    docker exec "$(container redis)" redis-cli -n 5 del 'func#workerQueue@41' 'func#workerQueue@42'
    docker service scale --detach dataflux-func_redis=0 dataflux-func_beat=0
    eventually '' container redis
    refused 1 'Redis does not answer' verb doctor
    grep -q 'beat is not running' "$T/said" || fail 'beat is not named'
    verb restart
    # What a power cut can leave behind: a container that runs, and whose network knows no names.
    nsenter --net="/proc/$(docker inspect --format '{{.State.Pid}}' "$(container worker-7)")/ns/net" iptables -t nat -F
    refused 1 'by name: worker-7' verb doctor
    verb restart
    # At a terminal, where an operator types it.
    script -qec "bash $STAND_INS/1.0.0/run-portable.sh doctor" "$T/typed" </dev/null || fail "$(cat "$T/typed")"
    whole 1.0.0
}

test_a_docker_of_another_host_is_not_used() {
    local verb
    for verb in install restart stop 'uninstall --purge --yes'; do
        # shellcheck disable=SC2086 # several words
        DOCKER_HOST=tcp://192.0.2.1:2375 refused 1 'tcp://192.0.2.1:2375' func 1.0.0 $verb
        grep -q 'unset DOCKER_HOST' "$T/said" || fail 'it does not say what to type'
    done
    DOCKER_HOST=unix:///run/docker.sock func 1.0.0 --dry-run
    # A context leads elsewhere too, named or chosen.
    local -x DOCKER_CONFIG=$T/docker
    docker context create far --docker host=tcp://192.0.2.1:2375
    DOCKER_CONTEXT=far refused 1 'tcp://192.0.2.1:2375' func 1.0.0 restart
    docker context use far
    refused 1 'tcp://192.0.2.1:2375' func 1.0.0 restart
    grep -q 'docker context use default' "$T/said" || fail 'it does not say what to type'
    docker context use default
    func 1.0.0 --dry-run
    whole 1.0.0
}

test_files_without_a_limit_are_told() {
    grep -q '^LimitNOFILE=1048576$' "$ROOT/portable/docker.service" || fail 'our own unit'
    mkdir "$T/bin"
    says() {
        printf '#!/bin/sh\ncase $* in *%s.service*) printf "LimitNOFILE=%s\\nActiveState=active\\n" ;; *) echo ActiveState=inactive ;; esac\n' "$1" "$2" >"$T/bin/systemctl"
        chmod +x "$T/bin/systemctl"
        PATH=$T/bin:$PATH func 1.0.0 --dry-run | tee "$T/said"
    }
    for unit in docker containerd; do
        says "$unit" infinity
        [[ $(cat "$T/said") == *"$unit.service has LimitNOFILE=infinity"*LimitNOFILE=1048576* ]] || fail "$unit"
    done
    says docker 1048576
    ! grep LimitNOFILE "$T/said" || fail 'a finding of nothing'
}

test_a_host_without_logrotate_is_told() {
    [[ -e /usr/sbin/logrotate ]] || { echo 'skipped: this host has none'; return 0; }
    ! func 1.0.0 --dry-run | grep logrotate || fail 'a finding of nothing'
    # shellcheck disable=SC2016 # the inner bash expands them
    unshare --mount bash -c 'mount --bind /dev/null /usr/sbin/logrotate && exec sh "$1" --dry-run' hidden "$(bundle 1.0.0)" </dev/null |
        grep 'logrotate is not on this host' || fail 'it is not told'
}
