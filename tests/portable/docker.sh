# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, STAND_INS ... are of ci/test-portable
# The run script on a real Docker Engine with the stand-ins of ci/stand-ins. One test continues where the
# one before ended, as an operator does. `ci/test-portable docker` runs this file; $DIR outlives a test.

INSTALL=$DIR/func
OLD=$DIR/1.0.0
NEW=$DIR/1.0.1
PORT=18088
REGISTRY=$DIR/registry
FUNC=pubrepo.jiagouyun.com/dataflux-func/dataflux-func

. "$ROOT/tests/portable/installation.sh"

test_first_install() {
    folder 1.0.0
    folder 1.0.1
    interrupted "== Configuration" "$OLD" --port "$PORT" --mini
    install "$OLD" --port "$PORT" --mini
    [[ $(services) == 'dataflux-func_beat 1/1 dataflux-func_mysql 1/1 dataflux-func_redis 1/1 dataflux-func_server 1/1 dataflux-func_worker 1/1' ]] || fail "$(services)"
    [[ $(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' "http://127.0.0.1:$PORT/") == "302 http://127.0.0.1:$PORT/client-app" ]] || fail redirect
    eventually True app setUp
    [[ $(app version) == 1.0.0 ]] || fail version
    sql "INSERT INTO func_task (queue, worker) VALUES (99, 'mine')" # the row that every later test looks for
    verb status | tee "$T/status"
    for text in 'DataFlux Func 1.0.0, deployed 20' dataflux-func_server 1/1 ":$PORT" "$INSTALL/data/user-config.yaml" "$INSTALL/data/sqldump/" 'HTTP/1.1 302\|HTTP/1.0 302'; do
        grep -q -- "$text" "$T/status" || fail "status does not say: $text"
    done
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

test_without_rights_it_says_so() {
    cp "$OLD"/{run-portable.sh,manifest.json,docker-stack.example.yaml} "$T/"
    chmod 755 "$T"
    refused 1 'this user may not ask Docker' setpriv --reuid 65534 --regid 65534 --clear-groups \
        bash "$T/run-portable.sh" --dry-run --online --install-dir "$T/func"
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

# What a power cut can leave behind: a container that runs, and whose network knows no names.
test_a_container_without_names_is_started_anew() {
    local before
    before=$(container worker-7)
    nsenter --net="/proc/$(docker inspect --format '{{.State.Pid}}' "$before")/ns/net" iptables -t nat -F
    refused 1 'by name: worker-7' verb doctor
    install "$OLD" | tee "$T/output"
    grep -q 'started anew: worker-7$' "$T/output" || fail 'it was not noticed'
    [[ -n $(container worker-7) && $(container worker-7) != "$before" ]] || fail 'it is the same container'
    verb doctor
}

test_backup_and_restore() {
    local dump
    verb backup
    dump=$(find "$INSTALL/data/sqldump" -name "*.sql" | sort | tail -n 1)
    [[ $dump =~ /dataflux-func-sqldump-[0-9]{8}-[0-9]{6}\.sql$ ]] || fail "the name $dump"
    [[ $(mode "$dump") == 600 ]] || fail 'the dump can be read by others'
    sql 'DELETE FROM func_task WHERE queue = 99; CREATE TABLE later (id INT)'
    refused 1 'add --yes' verb restore "$dump"
    verb restore "$dump" --yes
    [[ $(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99") == 1 ]] || fail 'the row did not come back'
    [[ -z $(sql "SHOW TABLES LIKE 'later'") ]] || fail 'a later table is still there'
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
}

# The database is half there then: Func stands still until a whole one is back.
test_a_restore_that_was_broken_off() {
    local dump
    verb backup
    dump=$(find "$INSTALL/data/sqldump" -name '*.sql' | sort | tail -n 1)
    sed '$i SELECT SLEEP(8);' "$dump" >"$T/slow.sql"
    broken_off TERM '== Restoring' "$INSTALL/run-portable.sh" restore "$T/slow.sql" --yes
    dump=$(sed -n 's/.*Put the state before it back: .* restore //p' "$T/broken_off")
    [[ -s $dump ]] || fail 'it does not say how to go on'
    [[ $(services) == *dataflux-func_server' 0/0'* ]] || fail "Func runs on a database that is not whole: $(services)"
    verb restore "$dump" --yes
    [[ $(services) != *' 0/'* ]] || fail "not every service is back: $(services)"
    [[ $(sql 'SELECT COUNT(*) FROM func_task WHERE queue = 99') == 1 ]] || fail 'the row did not come back'
    eventually True app setUp
    # As when the power goes: nothing of that run is left to remember it.
    broken_off KILL '== Restoring' "$INSTALL/run-portable.sh" restore "$T/slow.sql" --yes
    refused 1 'a restore was broken off' verb restart
    refused 1 'the database is not whole' verb doctor
    dump=$(cat "$INSTALL/data/sqldump/.restoring")
    [[ -s $dump ]] || fail 'it does not know what was there'
    verb restore "$dump" --yes
    [[ ! -e $INSTALL/data/sqldump/.restoring ]] || fail 'it is not over'
    [[ $(services) != *' 0/'* ]] || fail "not every service is back: $(services)"
    [[ $(sql 'SELECT COUNT(*) FROM func_task WHERE queue = 99') == 1 ]] || fail 'the row did not come back'
}

test_set_restart_stop_logs() {
    local before
    before=$(container mysql)
    verb set LOG_LEVEL=WARNING "NOTE=it's: #1"
    [[ $(container mysql) == "$before" ]] || fail 'set restarted the database'
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
    docker exec "$(container redis)" redis-cli -n 5 eval "for i = 1, 1000 do redis.call('lpush', 'func#workerQueue@42', i) end" 0
    refused 1 '1000 tasks are waiting' verb doctor
    docker exec "$(container redis)" redis-cli -n 5 del 'func#workerQueue@42'
    docker service scale dataflux-func_redis=0
    refused 1 'BAD   Redis answers' verb doctor
    docker service scale dataflux-func_redis=1
    eventually True app setUp
    verb doctor
}

test_bad_input_leaves_the_old_version_running() {
    # A bit flipped on the stick.
    printf X | dd of="$NEW/dataflux-func.tar.gz" bs=1 seek=1000000 conv=notrunc status=none
    refused 3 'dataflux-func.tar.gz is damaged' install "$NEW"
    # The same, and the publisher pinned it so.
    cp "$NEW/manifest.json" "$T/manifest.json"
    pin "$NEW" dataflux-func.tar.gz
    refused 1 'the running version was not touched' install "$NEW"
    rm "$NEW/dataflux-func.tar.gz"
    refused 1 'dataflux-func.tar.gz is not in' install "$NEW"
    cp "$T/manifest.json" "$NEW/"
    cp "$STAND_INS/1.0.1/dataflux-func.tar.gz" "$NEW/"
    [[ $(app version) == 1.0.0 ]] || fail 'the old version does not run'
    # A taken port.
    /usr/bin/python3 -m http.server 18090 >/dev/null 2>&1 &
    eventually 200 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18090/
    refused 1 'port 18090 is taken' install "$NEW" --port 18090
    kill $!
    # A stack file edited into invalid YAML.
    cp "$INSTALL/docker-stack.yaml" "$T/good.yaml"
    printf 'services: [\n' >>"$INSTALL/docker-stack.yaml"
    refused 1 'what ran before still runs' verb restart
    [[ $(app version) == 1.0.0 ]] || fail 'the old version does not run'
    # A configuration edited into nonsense.
    cp "$INSTALL/data/user-config.yaml" "$T/good-config.yaml"
    printf '\tLOG_LEVEL = 1\n' >>"$INSTALL/data/user-config.yaml"
    refused 1 'begins with a tab' verb restart
    cp "$T/good-config.yaml" "$INSTALL/data/user-config.yaml"
    cp "$T/good.yaml" "$INSTALL/docker-stack.yaml"
    # A full disk where the images go: Docker's own directory cannot be filled in a test, the install dir can.
    mkdir "$DIR/full"
    mount -t tmpfs -o size=64k tmpfs "$DIR/full"
    refused 1 'MB free at' bash "$OLD/run-portable.sh" --install-dir "$DIR/full/func" --port "$PORT"
    umount "$DIR/full"
    # Another run at the same time.
    (
        exec 9>>/run/dataflux-func-portable.lock
        flock 9
        refused 1 'another run' install "$OLD"
    )
    [[ $(app version) == 1.0.0 ]] || fail 'the old version does not run'
}

test_lost_halves() {
    mv "$INSTALL/data/user-config.yaml" "$T/"
    refused 1 'with the passwords is lost' install "$OLD"
    refused 1 "is installed in $INSTALL, and a host has one" bash "$OLD/run-portable.sh" --install-dir "$DIR/elsewhere" --port 18089
    mv "$T/user-config.yaml" "$INSTALL/data/"
    verb stop
    mv "$INSTALL/mysql" "$T/"
    mkdir "$INSTALL/mysql"
    refused 1 'not mounted' install "$OLD"
    rmdir "$INSTALL/mysql"
    mv "$T/mysql" "$INSTALL/"
    rm "$INSTALL/docker-stack.yaml"
    docker secret rm dataflux-func_mysql-root-password
    install "$OLD"
    [[ $(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99") == 1 ]] || fail 'the row is gone'
}

# as_a_bundle FOLDER: the script's side of a bundle: a private directory without the images, which come from
# `$PACK load`. (The drill runs the real thing; here a stand-in for pack notes what it is asked for.)
as_a_bundle() {
    mkdir "$T/private"
    cp "$1"/*.sh "$1"/*.service "$1"/*.yaml "$1"/*.json "$1"/docker-*.tgz "$T/private/"
    echo bundle >"$T/x.run"
    cat >"$T/pack" <<EOF
#!/bin/bash
set -e
[[ \$1 == load && \$2 == "$T/x.run" ]]
shift 2
echo "\$*" >"$T/loaded"
for name; do docker load -q -i "$1/\$name"; done
EOF
    chmod +x "$T/pack"
    export PACK=$T/pack PACK_BUNDLE=$T/x.run PACK_NAME=dataflux-func PACK_VERSION=1.0.1
}

test_update() {
    local dumps
    dumps=$(find "$INSTALL/data/sqldump" -name '*.sql' | wc -l)
    echo '# edited by hand' >>"$INSTALL/docker-stack.yaml"
    as_a_bundle "$NEW"
    install "$T/private" | tee "$T/output"
    unset PACK PACK_BUNDLE PACK_NAME PACK_VERSION
    [[ $(cat "$T/loaded") == dataflux-func.tar.gz* ]] || fail "loaded: $(cat "$T/loaded")"
    grep "\"bundle\": \"sha256:$(sha256sum "$T/x.run" | cut -d ' ' -f 1)\"" "$INSTALL/receipt.json" || fail 'the receipt does not name the bundle'
    grep -q 'is not as the last installation left it' "$T/output" || fail 'the edit went unnoticed'
    grep -q 'edited by hand' "$INSTALL"/docker-stack.yaml.2* || fail 'the edited file was not kept'
    eventually 1.0.1 app version
    [[ $(docker ps --filter label=com.docker.stack.namespace=dataflux-func --format '{{.Image}}' | grep -c ':1.0.0$') == 0 ]] || fail 'a service of the old version still runs'
    (($(find "$INSTALL/data/sqldump" -name '*.sql' | wc -l) > dumps)) || fail 'there is no dump from before the update'
    [[ $(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99") == 1 ]] || fail 'the row is gone'
    refused 3 'version 1.0.1 is installed, this is the older 1.0.0' install "$OLD"
    install "$OLD" --allow-downgrade
    eventually 1.0.0 app version
    install "$NEW"
}

test_interrupted_then_again() {
    local before
    # Between the configuration and the stack: what ran has read another one.
    before=$(container worker-7)
    sed 's/^LOG_LEVEL: .*/LOG_LEVEL: DEBUG/' "$INSTALL/data/user-config.yaml" >"$T/other.yaml"
    interrupted 'user-config.yaml (written)' "$NEW" --config "$T/other.yaml"
    install "$NEW"
    [[ -n $(container worker-7) && $(container worker-7) != "$before" ]] || fail 'a worker has the old configuration'
    before=$(container worker-7)
    install "$NEW"
    [[ $(container worker-7) == "$before" ]] || fail 'a worker was started anew for nothing'
    interrupted '== Deploying' "$OLD" --allow-downgrade
    install "$OLD" --allow-downgrade
    eventually 1.0.0 app version
    [[ -z $(find "$INSTALL" -name '*.tmp.*') ]] || fail "left over: $(find "$INSTALL" -name '*.tmp.*')"
}

test_failing_service_is_named() {
    # Func's port inside is 8088; a configuration that Func cannot use makes the server end at once.
    cp "$INSTALL/data/user-config.yaml" "$T/"
    refused 1 'server' verb set LOG_LEVEL=NONSENSE --timeout 40 | tee "$T/failure"
    grep -q '^  | .*NONSENSE' "$T/failure" || fail 'the last lines of its log are not shown'
    grep -q 'not every service runs: .*server' "$T/failure" || fail 'it is not named'
    grep -q 'run-portable.sh doctor' "$T/failure" || fail 'the next command is not said'
    refused 1 'finding(s)' verb doctor
    cp "$T/user-config.yaml" "$INSTALL/data/"
    # A Func that runs, and answers with an error.
    docker tag "$FUNC:1.0.0" dff-test-good
    DOCKER_BUILDKIT=0 docker build -q -t "$FUNC:1.0.0" - <<'EOF'
FROM dff-test-good
RUN sed -i 's/self.answer(302, .*/self.answer(500, "broken")/' func.py
EOF
    refused 1 'does not answer as it should: HTTP/1.0 500' verb restart --timeout 60 | tee "$T/failure"
    grep -q '^  | .*"GET / HTTP/1.0" 500' "$T/failure" || fail 'the last lines of its log are not shown'
    grep -q 'run-portable.sh doctor' "$T/failure" || fail 'the next command is not said'
    refused 1 'answers: HTTP/1.0 500' verb status
    docker tag dff-test-good "$FUNC:1.0.0"
    docker image rm dff-test-good
    verb restart
}

test_online_from_a_registry() {
    local image name
    mkdir -p "$REGISTRY"
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: 127.0.0.1:15000}\n' "$REGISTRY" >"$REGISTRY/config.yml"
    docker-registry serve "$REGISTRY/config.yml" >"$REGISTRY/log" 2>&1 &
    echo $! >"$REGISTRY/pid"
    eventually 200 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:15000/v2/
    cp -a "$OLD" "$T/online"
    rm "$T/online"/*.tar.gz "$T/online"/*.tgz
    sed -i 's|pubrepo.jiagouyun.com/|127.0.0.1:15000/|' "$T/online/docker-stack.example.yaml"
    pin "$T/online" docker-stack.example.yaml
    refused 1 'cannot pull 127.0.0.1:15000/' install "$T/online" --online
    for name in mysql:5.7.26 redis:5.0.7 dataflux-func:1.0.0; do
        image=dataflux-func/$name
        docker tag "pubrepo.jiagouyun.com/$image" "127.0.0.1:15000/$image"
        docker push -q "127.0.0.1:15000/$image"
        docker image rm "127.0.0.1:15000/$image"
    done
    install "$T/online" --online
    # The reference as it is written: one with a digest could not be met from a bundle later.
    [[ $(docker service inspect dataflux-func_server --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}') == 127.0.0.1:15000/dataflux-func/dataflux-func:1.0.0 ]] || fail 'not the pulled image'
    eventually 1.0.0 app version
    install "$OLD"
    docker image ls --format '{{.Repository}}:{{.Tag}}' | grep '^127.0.0.1:15000/' | xargs docker image rm
    kill "$(cat "$REGISTRY/pid")"
}

test_external_databases() {
    docker run -d --name dff-test-mysql --network host -e MYSQL_ROOT_PASSWORD='p@ss w:rd' -e MYSQL_DATABASE=func \
        --tmpfs /var/lib/mysql pubrepo.jiagouyun.com/dataflux-func/mysql:5.7.26 --port=13306
    docker run -d --name dff-test-redis --network host pubrepo.jiagouyun.com/dataflux-func/redis:5.0.7 redis-server --port 16379 --requirepass secret
    eventually 1 docker exec -e MYSQL_PWD='p@ss w:rd' dff-test-mysql mysql -h 127.0.0.1 -P 13306 -N -B -e 'SELECT 1' func
    local here mysql redis rows
    here=$(ip -4 -o addr show docker_gwbridge | sed 's/.*inet \([0-9.]*\).*/\1/')
    mysql="mysql://root:p%40ss%20w%3Ard@$here:13306/func" redis="redis://:secret@$here:16379/3"
    rows=$(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99")
    refused 2 'is not mysql://' verb external --mysql nonsense --yes
    refused 1 'cannot use the database' verb external --mysql "mysql://root:wrong@$here:13306/func" --yes
    refused 1 'cannot use Redis' verb external --redis "redis://:wrong@$here:16379" --yes
    [[ $(services) == *dataflux-func_mysql* ]] || fail 'a refused move dropped the database'
    verb external --mysql "$mysql" --redis "$redis" --yes
    [[ $(services) != *mysql* && $(services) != *redis* ]] || fail 'the built-in databases still run'
    eventually True app setUp
    [[ $(docker exec -e MYSQL_PWD='p@ss w:rd' dff-test-mysql mysql -h 127.0.0.1 -P 13306 -N -B -e 'SELECT COUNT(*) FROM func_task WHERE queue = 99' func) == "$rows" ]] || fail 'rows did not arrive'
    verb doctor
    verb backup
    # A later install keeps it so; and a second host starts from this configuration.
    install "$NEW"
    [[ $(services) != *mysql* ]] || fail 'install brought the built-in MySQL back'
    eventually 1.0.1 app version
}

test_uninstall_then_the_second_host_of_a_pair() {
    cp "$INSTALL/data/user-config.yaml" "$DIR/first.yaml"
    refused 1 'add --yes' verb uninstall
    verb uninstall --yes
    [[ -z $(services) && -e $INSTALL/data/user-config.yaml && -d $INSTALL/mysql ]] || fail 'uninstall took data'
    [[ ! -e /etc/logrotate.d/dataflux-func ]] || fail 'logrotate is left'
    verb uninstall --purge --yes
    [[ ! -e $INSTALL ]] || fail 'purge left data'
    install "$NEW" --config "$DIR/first.yaml" --port "$PORT"
    [[ $(services) != *mysql* && $(services) != *redis* ]] || fail 'the second host has databases of its own'
    eventually True app setUp
    verb uninstall --purge --yes
}

# What the product's own earlier scripts leave: a plain password in the stack file, a published port in
# ingress mode, virtual addresses, the default network, and a configuration in their spelling.
test_takes_over_an_older_installation() {
    folder 1.0.0
    for name in mysql redis dataflux-func; do docker load -q -i "$OLD/$name.tar.gz"; done
    mkdir -p "$INSTALL"/data/logs "$INSTALL"/mysql "$INSTALL"/redis
    printf '# Pre-generated config:\nSECRET          : abc\nMYSQL_HOST      : mysql\nMYSQL_PORT      : 3306\nMYSQL_USER      : root\nMYSQL_PASSWORD  : 0123abcd\nMYSQL_DATABASE  : dataflux_func\nREDIS_HOST      : redis\nREDIS_PORT      : 6379\nREDIS_DATABASE  : 5\n' >"$INSTALL/data/user-config.yaml"
    cat >"$INSTALL/docker-stack.yaml" <<EOF
version: '3.1'
services:
  mysql:
    image: pubrepo.jiagouyun.com/dataflux-func/mysql:5.7.26
    environment: { MYSQL_ROOT_PASSWORD: 0123abcd, MYSQL_DATABASE: dataflux_func }
    volumes: ["$INSTALL/mysql:/var/lib/mysql"]
  redis:
    image: pubrepo.jiagouyun.com/dataflux-func/redis:5.0.7
    volumes: ["$INSTALL/redis:/data"]
  server:
    image: pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.0
    command: ./run-server.sh
    ports: ["$PORT:8088"]
    volumes: ["$INSTALL/data:/data"]
EOF
    docker stack deploy --resolve-image never -c "$INSTALL/docker-stack.yaml" dataflux-func
    old_sql() { docker exec -e MYSQL_PWD=0123abcd "$(container mysql)" mysql -N -B dataflux_func -e "$1"; }
    eventually 1 old_sql 'SELECT 1'
    old_sql 'CREATE TABLE theirs (id INT); INSERT INTO theirs VALUES (7)'
    install "$OLD" --port "$PORT"
    [[ $(sql 'SELECT id FROM theirs') == 7 ]] || fail 'the data is gone'
    grep '^MYSQL_PASSWORD  : 0123abcd$' "$INSTALL/data/user-config.yaml" || fail 'the configuration changed'
    eventually True app setUp
    verb uninstall --purge --yes
}

clean_up() {
    [[ ! -e $INSTALL/run-portable.sh ]] || bash "$INSTALL/run-portable.sh" uninstall --purge --yes >/dev/null 2>&1
    docker rm -f dff-test-mysql dff-test-redis >/dev/null 2>&1
    [[ ! -e $REGISTRY/pid ]] || kill "$(cat "$REGISTRY/pid")" 2>/dev/null
    mountpoint -q "$DIR/full" && umount "$DIR/full"
    docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -E '^(pubrepo\.jiagouyun\.com|127\.0\.0\.1:15000)/dataflux-func/' |
        xargs -r docker image rm >/dev/null 2>&1
    return 0
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then "$@"; fi
