# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# The run script on a real Docker Engine, after the first test of docker.sh: to another source of images, version,
# database, host, and away.

. "$ROOT/tests/portable/installation.sh"

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
    [[ $(docker service inspect dataflux-func_server --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}') == \
        "$(docker image inspect --format '{{.Id}}' 127.0.0.1:15000/dataflux-func/dataflux-func:1.0.0)" ]] || fail 'not the pulled image'
    eventually 1.0.0 app version
    install "$OLD"
    docker image ls --format '{{.Repository}}:{{.Tag}}' | grep '^127.0.0.1:15000/' | xargs docker image rm
    kill "$(cat "$REGISTRY/pid")"
}

# as_a_bundle FOLDER: the script's side of a bundle: a private directory without the images, which come from
# `$PACK load`. (The drill runs the real thing; here a stand-in for pack notes what it is asked for, and tells of the
# images what their archives say.)
as_a_bundle() {
    mkdir "$T/private"
    cp "$1"/*.sh "$1"/*.service "$1"/*.yaml "$1"/*.json "$1"/docker-*.tgz "$T/private/"
    echo bundle >"$T/x.run"
    cat >"$T/pack" <<EOF
#!/bin/bash
set -e
[[ \$1 != inspect ]] || exec /usr/bin/python3 -c 'import json, pathlib, sys, tarfile
images = []
for path in pathlib.Path("$1").glob("*.tar.gz"):
    for one in json.load(tarfile.open(path).extractfile("manifest.json")):
        images.append({"id": "sha256:" + one["Config"].removesuffix(".json").split("/")[-1], "tags": one["RepoTags"],
            "layers": [{"diffId": "sha256:0", "images": ["sha256:1"], "size": 1}]})
print(json.dumps({"images": images}, indent=2, sort_keys=True))'
[[ \$1 == load && \$2 == "$T/x.run" ]]
shift 2
echo "\$*" >"$T/loaded"
for name; do docker load -q -i "$1/\$name"; done
EOF
    chmod +x "$T/pack"
    export PACK=$T/pack PACK_BUNDLE=$T/x.run PACK_NAME=dataflux-func PACK_VERSION=1.0.1
}

# The new version starts, changes the database, and does not come up.
test_an_update_that_fails_tells_the_way_back() {
    local dump dumps
    cp "$INSTALL/data/user-config.yaml" "$T/"
    echo 'LOG_LEVEL: NONSENSE' >"$T/other"
    grep -v '^LOG_LEVEL' "$T/user-config.yaml" >>"$T/other"
    cp "$T/other" "$INSTALL/data/user-config.yaml"
    refused 1 'The way back to 1.0.0, in this order' install "$NEW" --timeout 30 | tee "$T/failure"
    dump=$(sed -n 's/^  2\. bash .* restore //p' "$T/failure")
    [[ $dump =~ /before-update-1\.0\.0-to-1\.0\.1-[0-9]{8}-[0-9]{6}\.sql$ && -s $dump ]] || fail "the dump '$dump'"
    for text in 'not every service runs' 'the stack file is of version 1.0.1' 'They may have changed the database' \
        "1. in the folder of 1.0.0:  bash run-portable.sh --allow-downgrade --install-dir $INSTALL"; do
        grep -q -- "$text" "$T/failure" || fail "it does not say: $text"
    done
    ! grep 'data is unchanged' "$T/failure" || fail 'it says what it cannot know'
    sql 'CREATE TABLE migrated (id INT)'
    refused 1 'no update was broken off: the one from 1.0.0' verb doctor
    # A second try keeps the dump of the first.
    dumps=$(find "$INSTALL/data/sqldump" -name 'before-update-*' | wc -l)
    refused 1 "2. bash $INSTALL/run-portable.sh restore $dump" install "$NEW" --timeout 30
    [[ $(find "$INSTALL/data/sqldump" -name 'before-update-*' | wc -l) -eq $dumps ]] || fail 'there is a dump of a database that may be changed'
    cp "$T/user-config.yaml" "$INSTALL/data/"
    (cd "$OLD" && bash run-portable.sh --allow-downgrade --install-dir "$INSTALL") | tee "$T/back"
    grep -qF "  bash $INSTALL/run-portable.sh restore $dump" "$T/back" || fail 'it does not say that the database is yet to come'
    verb restore "$dump" --yes
    eventually 1.0.0 app version
    [[ -z $(sql "SHOW TABLES LIKE 'migrated'") && $(sql 'SELECT COUNT(*) FROM func_task WHERE queue = 99') == 1 ]] || fail 'the database is not as it was'
    verb doctor
}

test_update() {
    local dumps old
    old=$(docker image inspect --format '{{.Id}}' pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.0)
    dumps=$(find "$INSTALL/data/sqldump" -name 'before-update-*.sql' | wc -l)
    printf 'version: "3.7"\nservices:\n  server:\n    environment: { MINE: theirs }\n' >"$INSTALL/docker-stack.override.yaml"
    echo '# edited by hand' >>"$INSTALL/docker-stack.yaml"
    as_a_bundle "$NEW"
    install "$T/private" | tee "$T/output"
    unset PACK PACK_BUNDLE PACK_NAME PACK_VERSION
    [[ $(cat "$T/loaded") == dataflux-func.tar.gz* ]] || fail "loaded: $(cat "$T/loaded")"
    grep "\"bundle\": \"sha256:$(sha256sum "$T/x.run" | cut -d ' ' -f 1)\"" "$INSTALL/receipt.json" || fail 'the receipt does not name the bundle'
    grep -q 'is not as the last installation left it' "$T/output" || fail 'the edit went unnoticed'
    grep -q 'edited by hand' "$INSTALL"/docker-stack.yaml.2* || fail 'the edited file was not kept'
    eventually 1.0.1 app version
    ! docker ps -q --filter label=com.docker.stack.namespace=dataflux-func | xargs docker inspect --format '{{.Image}}' | grep "$old" || fail 'a service of the old version still runs'
    [[ $(docker exec "$(container server)" printenv MINE) == theirs ]] || fail "the operator's own is gone"
    echo '    image: dff-test-none' >>"$INSTALL/docker-stack.override.yaml"
    refused 1 'names an image' verb restart
    rm "$INSTALL/docker-stack.override.yaml"
    (($(find "$INSTALL/data/sqldump" -name 'before-update-*.sql' | wc -l) > dumps)) || fail 'there is no dump from before the update'
    [[ $(sql "SELECT COUNT(*) FROM func_task WHERE queue = 99") == 1 ]] || fail 'the row is gone'
    refused 3 'version 1.0.1 is installed, this is the older 1.0.0' install "$OLD"
    install "$OLD" --allow-downgrade
    eventually 1.0.0 app version
    install "$NEW"
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
    # By tags, which Swarm asks a registry for: not with a name server that never answers.
    cp /etc/resolv.conf "$T/"
    echo 'nameserver 127.0.0.1' >/etc/resolv.conf
    sleep 6 # Docker looks at that file every five seconds
    docker swarm init --advertise-addr 192.0.2.10 2>/dev/null || true # where this test runs alone
    docker stack deploy --resolve-image never -c "$INSTALL/docker-stack.yaml" dataflux-func
    old_sql() { docker exec -e MYSQL_PWD=0123abcd "$(container mysql)" mysql -N -B dataflux_func -e "$1"; }
    eventually 1 old_sql 'SELECT 1'
    old_sql 'CREATE TABLE theirs (id INT); INSERT INTO theirs VALUES (7)'
    cp "$T/resolv.conf" /etc/
    install "$OLD" --port "$PORT"
    [[ $(sql 'SELECT id FROM theirs') == 7 ]] || fail 'the data is gone'
    grep '^MYSQL_PASSWORD  : 0123abcd$' "$INSTALL/data/user-config.yaml" || fail 'the configuration changed'
    eventually True app setUp
    verb uninstall --purge --yes
}

test_without_databases_it_waits_for_its_set_up() {
    local name
    folder 1.0.0
    install "$OLD" --port "$PORT" --no-mysql --no-redis | tee "$T/output"
    for name in MYSQL_HOST REDIS_HOST; do
        grep -q "$name" "$T/output" || fail "it does not say what to set: $name"
    done
    [[ $(services) == 'dataflux-func_beat 1/1 dataflux-func_server 1/1 dataflux-func_worker-0 1/1 dataflux-func_worker-1-6 1/1 dataflux-func_worker-7 1/1 dataflux-func_worker-8-9 1/1' ]] || fail "$(services)"
    [[ $(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' "http://127.0.0.1:$PORT/") == "302 http://127.0.0.1:$PORT/client-app" ]] || fail redirect
    eventually False app setUp
    ! grep -s '^MYSQL_PASSWORD' "$INSTALL/data/user-config.yaml" || fail 'a password for no database'
}

test_of_a_purged_installation_only_the_engine_remains() {
    local left
    docker rm -fv dff-test-mysql dff-test-redis 2>/dev/null || true # those of a test above
    verb uninstall --purge --yes
    left=$(
        docker ps --all --format 'container {{.Names}}'
        docker volume ls --format 'volume {{.Name}}'
        docker network ls --format 'network {{.Name}}' | grep dataflux || true
        docker service ls --format 'service {{.Name}}'
        docker secret ls --format 'secret {{.Name}}'
        docker config ls --format 'config {{.Name}}'
        find /etc /usr/local -xdev -name '*dataflux*'
    )
    [[ -z $left && ! -e $INSTALL ]] || fail "left: $left"
    docker info >/dev/null
}
