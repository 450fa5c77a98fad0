# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# The run script on a real Docker Engine with the stand-ins of ci/stand-ins: install, and live with it. One test
# continues where the one before ended, as an operator does; trouble.sh goes on from there.

. "$ROOT/tests/portable/installation.sh"

test_first_install() {
    folder 1.0.0
    folder 1.0.1
    interrupted "== Configuration" "$OLD" --port "$PORT" --mini
    install "$OLD" --port "$PORT" --mini
    [[ $(services) == 'dataflux-func_beat 1/1 dataflux-func_mysql 1/1 dataflux-func_redis 1/1 dataflux-func_server 1/1 dataflux-func_worker 1/1' ]] || fail "$(services)"
    [[ $(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' "http://127.0.0.1:$PORT/") == "302 http://127.0.0.1:$PORT/client-app" ]] || fail redirect
    ! curl -sS --max-time 3 http://127.0.0.1:8088/ || fail 'it answers on the port that was not asked for'
    [[ ! -e /usr/local/dataflux-func ]] || fail 'there is something where it was not asked for'
    eventually True app setUp
    [[ $(app version) == 1.0.0 ]] || fail version
    eventually 1 sql 'SELECT id FROM func_task WHERE id = 1' # Func's own first row
    sql "INSERT INTO func_task (queue, worker) VALUES (99, 'mine')" # the row that every later test looks for
    verb status | tee "$T/status"
    for text in 'DataFlux Func 1.0.0, deployed 20' dataflux-func_server 1/1 ":$PORT" "$INSTALL/data/user-config.yaml" "$INSTALL/data/sqldump/" 'HTTP/1.1 302\|HTTP/1.0 302'; do
        grep -q -- "$text" "$T/status" || fail "status does not say: $text"
    done
    grep -q '^    image: sha256:[0-9a-f]\{64\} # pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.0$' "$INSTALL/docker-stack.yaml" || fail 'not by ID'
    grep -q 'dataflux-func_server .* pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.0$' "$T/status" || fail 'status names no image'
    [[ $(cat /etc/dataflux-func-portable) == "$INSTALL" ]] || fail 'it is not written down where it is'
    grep -q '"deployed": "20[0-9-]*T[0-9:]*Z"' "$INSTALL/receipt.json" || fail 'the receipt has no time'
    verb doctor
}

test_secrets_and_modes() {
    local password
    [[ $(mode "$INSTALL/data/user-config.yaml") == 600 && $(mode "$INSTALL/docker-stack.yaml") == 600 && $(mode "$INSTALL/data/sqldump") == 700 ]] || fail modes
    password=$(sed -n "s/^MYSQL_PASSWORD: '\(.*\)'/\1/p" "$INSTALL/data/user-config.yaml")
    [[ $password =~ ^[0-9a-f]{48}$ ]] || fail 'the password has not 192 bits'
    ! docker service inspect dataflux-func_mysql dataflux-func_server | grep "$password" >/dev/null || fail 'the password is in the services'
    ! grep -q "$password" "$INSTALL/docker-stack.yaml" "$INSTALL/receipt.json" || fail 'the password is in another file'
    [[ $(docker service inspect dataflux-func_mysql dataflux-func_redis --format '{{.Endpoint.Ports}}' | sort -u) == '[]' ]] || fail 'a database publishes a port'
}

test_second_run_with_other_options() {
    local before
    before=$(sha256sum "$INSTALL/data/user-config.yaml")
    PORT=18089
    install "$OLD" --no-mini --port=18089 | tee "$T/output"
    grep -q 'is here already' "$T/output" || fail 'images were loaded twice'
    [[ $(sha256sum "$INSTALL/data/user-config.yaml") == "$before" ]] || fail 'the configuration changed'
    [[ $(services) == *' dataflux-func_worker-0 1/1 dataflux-func_worker-1-6 1/1 dataflux-func_worker-7 1/1 dataflux-func_worker-8-9 1/1' ]] || fail "$(services)"
    ! curl -sS --max-time 3 http://127.0.0.1:18088/ || fail 'the old port still answers'
    [[ $(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99") == 1 ]] || fail 'the row is gone'
    # What an option adds to the configuration is read by the services that it leaves as they are.
    install "$OLD" --mqtt
    eventually connected app mqtt
    [[ $(services) == *dataflux-func_worker-7* ]] || fail 'an option that was not given did not stay'
    # So is another configuration; the broker's password is in it.
    sed 's/^\(MQTT_PASSWORD\): .*/\1: another/' "$INSTALL/data/user-config.yaml" >"$T/other.yaml"
    before=$(container worker-7)
    install "$OLD" --config "$T/other.yaml"
    [[ -n $(container worker-7) && $(container worker-7) != "$before" ]] || fail 'a worker has the old configuration'
    eventually connected app mqtt
    install "$OLD" --no-mqtt --port 18088
    PORT=18088
    [[ $(services) != *mosquitto* ]] || fail 'mosquitto still runs'
}

test_backup_and_restore() {
    local dump row='SELECT id, queue, worker, done FROM func_task WHERE id = 1'
    verb backup
    dump=$(find "$INSTALL/data/sqldump" -name "*.sql" | sort | tail -n 1)
    [[ $dump =~ /dataflux-func-sqldump-[0-9]{8}-[0-9]{6}\.sql$ ]] || fail "the name $dump"
    [[ $(mode "$dump") == 600 ]] || fail 'the dump can be read by others'
    # shellcheck disable=SC2016 # SQL's quotes
    grep -q 'INSERT INTO `func_task`' "$dump" || fail 'the rows are not in it'
    sql "$row" >"$T/row"
    sql 'DELETE FROM func_task WHERE queue = 99; CREATE TABLE later (id INT)'
    refused 1 'add --yes' verb restore "$dump"
    verb restore "$dump" --yes
    [[ $(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99") == 1 ]] || fail 'the row did not come back'
    [[ -z $(sql "SHOW TABLES LIKE 'later'") ]] || fail 'a later table is still there'
    sql 'DROP TABLE func_task'
    verb restore "$dump" --yes
    [[ -s $T/row && $(sql "$row") == "$(cat "$T/row")" ]] || fail 'a table that was lost did not come back as it was'
    # A dump that breaks off, and one that MySQL does not take: the database stays as it is, Func runs again.
    head -n 20 "$dump" >"$T/half.sql"
    refused 1 'not a complete dump' verb restore "$T/half.sql" --yes
    { echo 'CREATE GARBAGE;'; cat "$dump"; } >"$T/bad.sql"
    refused 1 'cannot be imported' verb restore "$T/bad.sql" --yes
    [[ $(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99") == 1 ]] || fail 'the row is gone'
    eventually True app setUp
    # Only 168 are kept, the newest.
    for ((i = 0; i < 170; i++)); do : >"$INSTALL/data/sqldump/dataflux-func-sqldump-20200101-$(printf %06d "$i").sql"; done
    verb backup
    [[ $(find "$INSTALL/data/sqldump" -name '*.sql' | wc -l) -eq 168 && -e $dump ]] || fail 'not the newest 168 are kept'
    rm -f "$INSTALL"/data/sqldump/*-2020*.sql
    # Nor does the clock matter: these were made before it was corrected. And there are those that nothing ever removes.
    for ((i = 0; i < 168; i++)); do : >"$INSTALL/data/sqldump/dataflux-func-sqldump-20990101-$(printf %06d "$i").sql"; done
    : >"$INSTALL/data/sqldump/before-update-0.9-to-1.0.0-20200101-000000.sql"
    verb backup | tee "$T/first"
    verb backup | tee "$T/second"
    for output in "$T/first" "$T/second"; do
        [[ -s $(sed -n 's/ (.*bytes)$//p' "$output") ]] || fail 'a dump that was just made is gone'
    done
    [[ $(find "$INSTALL/data/sqldump" -name 'dataflux-func-sqldump-*.sql' | wc -l) -eq 168 ]] || fail 'not 168 are kept'
    [[ -e $INSTALL/data/sqldump/before-update-0.9-to-1.0.0-20200101-000000.sql ]] || fail 'a dump of an update is gone'
    rm -f "$INSTALL"/data/sqldump/*-2099*.sql "$INSTALL"/data/sqldump/before-update-*
}

test_set_restart_stop_logs() {
    local before all password
    before=$(container mysql) all=$(services)
    password=$(grep '^MYSQL_PASSWORD' "$INSTALL/data/user-config.yaml")
    verb set LOG_LEVEL=WARNING "NOTE=it's: #1"
    [[ $(container mysql) == "$before" ]] || fail 'set restarted the database'
    [[ $(grep '^MYSQL_PASSWORD' "$INSTALL/data/user-config.yaml") == "$password" ]] || fail 'another password is there'
    [[ $(stat -c '%a %U' "$INSTALL/data/user-config.yaml") == '600 root' ]] || fail 'others can read the configuration'
    [[ $all != *' 0/'* && $(services) == "$all" ]] || fail "not everything runs again: $(services)"
    docker exec "$(container server)" /usr/bin/python3 -c 'import yaml; c = yaml.safe_load(open("/data/user-config.yaml")); assert c["LOG_LEVEL"] == "WARNING" and c["NOTE"] == "it'\''s: #1", c'
    refused 1 'lock Func out' verb set MYSQL_PASSWORD=other
    refused 2 'not KEY=VALUE' verb set nonsense
    verb set LOG_LEVEL <<<INFO
    grep -q "^LOG_LEVEL: 'INFO'$" "$INSTALL/data/user-config.yaml" || fail 'a value from standard input was not taken'
    verb restart
    [[ $(container mysql) != "$before" ]] || fail 'restart left the database alone'
    verb stop
    [[ -z $(services) ]] || fail 'the stack is still there'
    refused 1 'not everything is up' verb status
    verb restart
    eventually True app setUp
    verb logs server | grep 'version 1.0.0 starts' >/dev/null || fail 'no output of the server'
    verb logs | grep INFO >/dev/null || fail 'no log'
    refused 1 'there is no service nothing' verb logs nothing
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
    docker service scale dataflux-func_redis=0
    refused 1 'BAD   Redis answers' verb doctor
    docker service scale dataflux-func_redis=1
    docker service scale --detach dataflux-func_beat=0
    eventually '' container beat
    refused 1 'BAD   services' verb doctor | tee "$T/doctor"
    grep -q 'beat 0/0' "$T/doctor" || fail 'it is not named'
    docker service scale dataflux-func_beat=1
    eventually True app setUp
    verb doctor
    # At a terminal, where an operator types it.
    script -qec "bash $INSTALL/run-portable.sh doctor" "$T/typed" </dev/null
    grep -q 'ok *Redis answers' "$T/typed" || fail 'not at a terminal'
}
