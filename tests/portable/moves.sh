# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# Func comes, moves its databases, goes, and comes again: without databases, as the second host of a pair, over an
# installation of the original script.

. "$ROOT/tests/portable/installation.sh"

test_without_databases_it_waits_for_its_set_up() {
    local name
    install 1.0.0 --no-mysql --no-redis | tee "$T/output"
    for name in MYSQL_HOST REDIS_HOST; do
        grep -q "$name is not set" "$T/output" || fail "it does not say what to set: $name"
    done
    [[ $(services) == "beat 1/1 server 1/1 $WORKERS" ]] || fail "$(services)"
    [[ $(page) == '200 ' ]] || fail "/ says $(page)"
    ! grep -E '^(MYSQL|REDIS)' "$CONFIG" || fail 'connections nobody asked for'
    # They may come later.
    func 1.0.0 --with-mysql --with-redis
    [[ $(services) == "$FULL" ]] || fail "$(services)"
    set_up ''
    eventually 1 sql 'SELECT id FROM func_task WHERE id = 1'
    sql "INSERT INTO func_task (queue, worker) VALUES (99, 'mine')"
    whole 1.0.0
}

test_built_in_data_is_not_left_behind() {
    refused 1 'left behind' func 1.0.0 --no-mysql
    ! grep "of 'redis'" "$T/said" || fail 'Redis stays'
    refused 1 "of 'redis'" func 1.0.0 --no-redis
    whole 1.0.0
}

other_sql() { docker exec -e MYSQL_PWD='p@ss w:rd' dff-test-mysql mysql -h 127.0.0.1 -P 13306 -N -B -e "$1" func; }

test_external_databases() {
    local here mysql redis rows
    docker run -d --name dff-test-mysql --network host -e MYSQL_ROOT_PASSWORD='p@ss w:rd' -e MYSQL_DATABASE=func \
        --tmpfs /var/lib/mysql pubrepo.jiagouyun.com/dataflux-func/mysql:5.7.26 --port=13306
    docker run -d --name dff-test-redis --network host pubrepo.jiagouyun.com/dataflux-func/redis:5.0.7 redis-server --port 16379 --requirepass secret
    eventually 1 other_sql 'SELECT 1'
    here=$(ip -4 -o addr show docker_gwbridge | sed 's/.*inet \([0-9.]*\).*/\1/')
    mysql="mysql://root:p%40ss%20w%3Ard@$here:13306/func" redis="redis://:secret@$here:16379/3"
    rows=$(sql "$ROW")
    refused 1 'is not mysql://' verb external --mysql nonsense
    refused 1 'cannot use the database' verb external --mysql "mysql://root:wrong@$here:13306/func"
    refused 1 'cannot use Redis' verb external --redis "redis://:wrong@$here:16379"
    refused 2 'needs an argument' verb external
    # What the manual says of them (4.10): utf8mb4 and utf8mb4_unicode_ci, and never a Redis cluster.
    other_sql 'ALTER DATABASE func CHARACTER SET latin1'
    refused 1 'is not utf8mb4' verb external --mysql "$mysql"
    other_sql 'ALTER DATABASE func CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; CREATE TABLE theirs (id INT)'
    refused 1 'is not empty' verb external --mysql "$mysql"
    other_sql 'DROP TABLE theirs'
    docker run -d --rm --name dff-test-cluster --network host pubrepo.jiagouyun.com/dataflux-func/redis:5.0.7 redis-server --port 16380 --dir /data --protected-mode no --cluster-enabled yes
    eventually PONG docker exec dff-test-cluster redis-cli -p 16380 ping
    refused 1 'Redis is a cluster' verb external --redis "redis://$here:16380"
    docker rm -fv dff-test-cluster
    [[ $(services) == "$FULL" ]] || fail 'a refused move dropped the database'
    # Broken off while only the databases run: Func comes back by itself.
    killed closing env PACK=/usr/local/lib/pack/pack bash "$STAND_INS/1.0.0/run-portable.sh" external --mysql "$mysql" --redis "$redis"
    pack site recover
    [[ $(services) == "$FULL" ]] || fail "$(services)"
    whole 1.0.0
    verb external --mysql "$mysql" --redis "$redis"
    [[ $(services) == "beat 1/1 server 1/1 $WORKERS" ]] || fail "the built-in databases still run: $(services)"
    eventually True app setUp
    [[ $(other_sql "$ROW") == "$rows" ]] || fail 'rows did not arrive'
    [[ -d $INSTALL/mysql/mysql ]] || fail 'the built-in data is gone'
    verb doctor
    [[ -s $(verb backup | head -n 1) ]] || fail 'no dump of the database outside'
    # A later install keeps it so, and says so of those options.
    func 1.0.1
    [[ $(services) != *mysql* ]] || fail 'install brought the built-in MySQL back'
    [[ $(app version) == 1.0.1 ]] || fail 'it is not updated'
    func 1.0.1 --no-mysql --no-redis
    cp "$CONFIG" "$DIR/first.yaml"
}

test_uninstall_then_the_second_host_of_a_pair() {
    verb uninstall
    [[ -z $(services) && -e $CONFIG && -d $INSTALL/mysql ]] || fail 'uninstall took data'
    [[ ! -e /etc/logrotate.d/dataflux-func ]] || fail 'logrotate is left'
    refused 2 yes verb uninstall --purge
    # What another host has mounted here is not ours to delete.
    mkdir "$T/shared"
    echo shared >"$T/shared/file"
    mount --bind "$T/shared" "$INSTALL/data/resources"
    verb uninstall --purge --yes | tee "$T/said"
    grep -q "$INSTALL/data/resources is mounted" "$T/said" || fail 'it does not say what stays'
    [[ $(cat "$T/shared/file") == shared && ! -e $INSTALL/mysql ]] || fail 'what is mounted is gone'
    umount "$INSTALL/data/resources"
    rm -r "$INSTALL"
    grep -v '^SECRET' "$DIR/first.yaml" >"$T/bad.yaml"
    refused 1 'no SECRET' install 1.0.1 --config "$T/bad.yaml"
    rm -rf "$INSTALL"
    (cd "$DIR" && install 1.0.1 --config first.yaml)
    [[ $(services) == "beat 1/1 server 1/1 $WORKERS" ]] || fail "the second host has databases of its own: $(services)"
    eventually True app setUp
    # As the manual does it by hand (4.11): the first host's file over the second's, and a restart.
    cp "$DIR/first.yaml" "$CONFIG"
    verb restart
    eventually True app setUp
    verb uninstall --purge --yes
    docker rm -fv dff-test-mysql dff-test-redis
}

# The manual's own way (4.8), and a secret that something left in the engine.
test_removed_by_hand_it_comes_anew() {
    install 1.0.0 --mini
    docker stack rm dataflux-func
    eventually '' docker ps -aq --filter label=com.docker.stack.namespace=dataflux-func
    rm -rf "$INSTALL"
    printf leftover | docker secret create dataflux-func_mysql-root-password -
    install 1.0.1
    [[ $(services) == "$FULL" && $(page) == '200 ' ]] || fail "$(services)"
    verb uninstall --purge --yes
    docker secret rm dataflux-func_mysql-root-password
}

# What the product's own earlier scripts leave: a plain password in the stack file, a published port in ingress mode,
# virtual addresses, the default network, and a configuration in their spelling. Their --install-dir is the folder above.
test_takes_over_an_installation_of_the_original() {
    local name parent=$DIR/original dir=$DIR/original/dataflux-func
    for name in mysql redis dataflux-func; do docker load -q -i "$STAND_INS/1.0.0/$name.tar.gz"; done
    mkdir -p "$dir"/data/logs "$dir"/mysql "$dir"/redis
    printf '# Pre-generated config:\nSECRET          : abc\nMYSQL_HOST      : mysql\nMYSQL_PORT      : 3306\nMYSQL_USER      : root\nMYSQL_PASSWORD  : 0123abcd\nMYSQL_DATABASE  : dataflux_func\nREDIS_HOST      : redis\nREDIS_PORT      : 6379\nREDIS_DATABASE  : 5\n_IS_INSTALLED   : true\n' >"$dir/data/user-config.yaml"
    cat >"$dir/docker-stack.yaml" <<EOF
version: '3.1'
services:
  mysql:
    image: pubrepo.jiagouyun.com/dataflux-func/mysql:5.7.26
    environment: { MYSQL_ROOT_PASSWORD: 0123abcd, MYSQL_DATABASE: dataflux_func }
    volumes: ["$dir/mysql:/var/lib/mysql"]
  redis:
    image: pubrepo.jiagouyun.com/dataflux-func/redis:5.0.7
    volumes: ["$dir/redis:/data"]
    command: redis-server --protected-mode no --save 1 1
  server:
    image: pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.0
    command: ./run-server.sh
    ports: ["$PORT:8088"]
    volumes: ["$dir/data:/data"]
  worker:
    image: pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.0
    command: ./run-worker.sh
    volumes: ["$dir/data:/data"]
EOF
    echo "INSTALLED_DIR=$dir" >/etc/dataflux-func
    # By tags, which Swarm asks a registry for: not with a name server that never answers.
    cp /etc/resolv.conf "$T/"
    echo 'nameserver 127.0.0.1' >/etc/resolv.conf
    sleep 6 # Docker looks at that file every five seconds
    docker stack deploy --resolve-image never -c "$dir/docker-stack.yaml" dataflux-func
    old_sql() { docker exec -e MYSQL_PWD=0123abcd "$(container mysql)" mysql -N -B dataflux_func -e "$1"; }
    eventually 1 old_sql 'SELECT 1'
    old_sql 'CREATE TABLE theirs (id INT); INSERT INTO theirs VALUES (7)'
    docker exec "$(container redis)" redis-cli set queued 7
    docker exec "$(container redis)" redis-cli save
    refused 2 "installed in $dir" func 1.0.0 --install-dir "$DIR/other"
    refused 1 'left behind' func 1.0.0 --no-mysql
    [[ $(old_sql 'SELECT id FROM theirs') == 7 ]] || fail 'what ran was touched'
    # Where the new version does not come up, what ran before runs again.
    changed_func 1.0.2-dies 's/^    """This version leaves.*/    sys.exit("cannot go on")/'
    refused 1 'what ran before is started again' func 1.0.2-dies --install-dir "$parent"
    grep -q 'cannot go on' "$T/said" || fail 'what the server said last is not shown'
    [[ $(head -n 1 "$dir/docker-stack.yaml") == "version: '3.1'" && ! -e $dir/docker-stack.yaml.original ]] || fail "$(cat "$dir/docker-stack.yaml")"
    eventually 'mysql 1/1 redis 1/1 server 1/1 worker 1/1' services
    eventually 7 old_sql 'SELECT id FROM theirs'
    [[ ! -e /etc/pack/dataflux-func.json && ! -e $STATE/journal.json ]] || fail 'it counts as installed'
    cp "$T/resolv.conf" /etc/
    func 1.0.0 --install-dir "$parent"
    INSTALL=$dir CONFIG=$dir/data/user-config.yaml
    [[ $(services) == 'beat 1/1 mysql 1/1 redis 1/1 server 1/1 worker 1/1' ]] || fail "$(services)"
    [[ $(sql 'SELECT id FROM theirs') == 7 ]] || fail 'the data is gone'
    [[ $(docker exec "$(container redis)" redis-cli get queued) == 7 ]] || fail 'what was in Redis is gone'
    grep '^MYSQL_PASSWORD  : 0123abcd$' "$CONFIG" || fail 'the configuration changed'
    grep -q theirs "$dir"/data/sqldump/before-take-over-*.sql || fail 'there is no dump of before'
    eventually True app setUp
    [[ ! -e $dir/docker-stack.yaml.original ]] || fail 'what it takes while it goes on is left'
    # From now on it is found as every other.
    func 1.0.1
    [[ $(app version) == 1.0.1 ]] || fail 'it is not updated'
    verb uninstall --purge --yes
    rm /etc/dataflux-func
}

# The manual's eight files (2.1.2), each fetched with a browser into one folder, and its command. One is missing, one is of
# another version; what is small comes with run-portable.sh, whatever lies there under its name.
test_eight_files_from_a_browser_are_enough() {
    local folder="$DIR/my downloads" name
    mkdir "$folder"
    for name in docker-18.06.3-ce.tgz redis.tar.gz eclipse-mosquitto.tar.gz; do cp "$STAND_INS/1.0.0/$name" "$folder/"; done
    cp "$STAND_INS/1.0.1/dataflux-func.tar.gz" "$folder/"
    for name in docker.service docker-stack.example.yaml; do echo 'of last year' >"$folder/$name"; done
    "$PACK" bundle --quiet --compression fast --detached -o "$folder/run-portable.sh" "$STAND_INS/1.0.0"
    rm "$folder/run-portable.sh.sha256" # which the manual does not name
    cd "$folder" || fail "there is no $folder"
    refused 3 'dataflux-func.tar.gz: expected' /bin/bash run-portable.sh --mini --install-dir "$INSTALL" --port "$PORT"
    grep -q 'mysql.tar.gz: missing' "$T/said" || fail 'only one of two is named'
    [[ ! -e /etc/pack/dataflux-func.json && ! -e $INSTALL && -z $(docker ps -aq) ]] || fail 'something was changed'
    cp "$STAND_INS/1.0.0"/{mysql,dataflux-func}.tar.gz .
    [[ $(find . -type f | wc -l) -eq 8 ]] || fail "not eight files: $(ls)"
    seconds 'installation (--mini) from eight files' /bin/bash run-portable.sh --mini --install-dir "$INSTALL" --port "$PORT" </dev/null
    [[ $(services) == 'beat 1/1 mysql 1/1 redis 1/1 server 1/1 worker 1/1' && $(page) == '200 ' ]] || fail "$(services)"
    /bin/bash run-portable.sh status </dev/null
    rm ./*.tar.gz # what is installed needs none of them
    /bin/bash run-portable.sh restart </dev/null
    images_are_those_of_the_receipt
}

test_of_a_purged_installation_only_the_engine_remains() {
    local left
    verb uninstall --purge --yes
    left=$(
        docker ps --all --format 'container {{.Names}}'
        docker volume ls --format 'volume {{.Name}}'
        docker network ls --format 'network {{.Name}}' | grep dataflux || true
        docker service ls --format 'service {{.Name}}'
        docker secret ls --format 'secret {{.Name}}'
        docker config ls --format 'config {{.Name}}'
        find /etc /usr/local /var/lib/pack -xdev -name '*dataflux*'
    )
    [[ -z $left && ! -e $INSTALL ]] || fail "left: $left $(ls "$INSTALL" 2>/dev/null)"
}
