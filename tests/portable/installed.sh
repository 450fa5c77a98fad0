# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, FOLDER ... are of ci/test-portable and folder.sh
# The run script without Docker where something is installed: what it finds, refuses and removes.
# `ci/test-portable installed` runs this file.

. "$ROOT/tests/portable/folder.sh"

test_an_engine_that_a_killed_run_unpacked_is_removed() {
    local stages
    make_folder
    [[ $EUID -eq 0 ]] || { echo 'skipped: the lock needs root'; return 0; }
    fake_docker 24.0.9
    stages=$T/stages
    mkdir -p "$stages/dataflux-func-engine.abcdef/docker" "$stages/dataflux-func-engine.other.file" "$T/elsewhere"
    ln -s "$T/elsewhere" "$stages/dataflux-func-engine.123456"
    TMPDIR=$stages run 1 stop --install-dir "$INSTALL" # nothing is installed, so it goes no further
    mkdir -p "$INSTALL/data"
    printf 'SECRET: x\n' >"$INSTALL/data/user-config.yaml"
    touch "$INSTALL/docker-stack.yaml"
    TMPDIR=$stages run 0 stop --install-dir "$INSTALL"
    [[ $(cd "$stages" && echo *) == 'dataflux-func-engine.123456 dataflux-func-engine.other.file' ]] || fail "left: $(ls "$stages")"
    [[ -d $T/elsewhere ]] || fail 'a link was followed'
}

test_findings_about_what_is_installed() {
    make_folder
    fake_docker 24.0.9
    touch "$T/installed"
    mkdir -p "$INSTALL/mysql/mysql" "$INSTALL/data"
    plan; said 'with the passwords is lost'
    printf 'SECRET: x\nMYSQL_HOST: mysql\n' >"$INSTALL/data/user-config.yaml"
    plan; said 'has no MYSQL_PASSWORD'
    printf 'SECRET: x\n\tMYSQL_HOST: mysql\nMYSQL_PASSWORD: p\n' >"$INSTALL/data/user-config.yaml"
    plan; said 'line 2 begins with a tab'
    printf 'SECRET: x\nMYSQL_HOST: mysql\nMYSQL_PASSWORD: hush' >"$INSTALL/data/user-config.yaml"
    echo 'MYSQL_PASSWORD: hush' >>"$INSTALL/data/user-config.yaml"
    plan; silent hush
    printf 'SECRET: x\nMYSQL_HOST: mysql\nMYSQL_PASSWORD: p\n' >"$INSTALL/data/user-config.yaml"
    printf '{ "version": "1.0.1", "ready": "t", "options": { "mysql": true } }\n' >"$INSTALL/receipt.json"
    plan; said 'version 1.0.1 is installed, this is the older 1.0.0' '--allow-downgrade'
    plan --allow-downgrade; silent 'the older'
    # An update that broke off before the receipt, or a receipt that is lost: the stack file tells.
    sed -i 's/1\.0\.1/1.0.0/' "$INSTALL/receipt.json"
    sed -E 's|(/dataflux-func):1\.0\.0|\1:1.0.1|' "$FOLDER/docker-stack.example.yaml" >"$INSTALL/docker-stack.yaml"
    plan; silent 'the older' # not this script's own
    cp "$SCRIPT" "$INSTALL/"
    plan; said 'docker-stack.yaml has Func 1.0.1, this is the older 1.0.0' '--allow-downgrade'
    plan --allow-downgrade; silent 'the older'
    rm "$INSTALL/docker-stack.yaml" "$INSTALL/run-portable.sh"
    rm -r "$INSTALL/mysql/mysql"
    plan --allow-downgrade; said 'is empty, but this installation has run before'
    printf 'MYSQL_HOST: mysql\nMYSQL_PASSWORD: p\n' >"$INSTALL/data/user-config.yaml"
    mkdir -p "$INSTALL/mosquitto"
    echo 'func:hash' >"$INSTALL/mosquitto/passwd"
    plan --mqtt; said 'has no SECRET any more' 'has no MQTT_PASSWORD, but the broker has one'
    printf 'version: 3\nservices:\n  server:\n    image: a\n    ports:\n      - "127.0.0.1:9123:8088" # old\n  worker:\n    image: a\n' >"$INSTALL/docker-stack.yaml"
    rm "$INSTALL/receipt.json"
    plan; said ':9123' 'services       server worker beat'
    fake docker "case \"\$*\" in 'service inspect'*) printf '/elsewhere/func/data\n' ;; $(sed -n '/case/,$p' "$T/bin/docker" | sed 1d)"
    plan; said 'is installed in /elsewhere/func, and a host has one' '--install-dir /elsewhere/func'
    fake_docker 24.0.9
    rm -r "$INSTALL"
    mkdir -p "$INSTALL"
    touch "$INSTALL/thesis.doc"
    plan; said 'used by something else (there is thesis.doc)'
}

# known FILE TEXT...: in the private /etc that this test has.
recorded() { [[ $EUID -eq 0 ]] && [[ -n ${PRIVATE_ETC-} ]] && printf '%s\n' "$1" >/etc/dataflux-func-portable; }

test_a_directory_that_is_not_named_again_is_found_while_the_stack_is_down() {
    make_folder
    fake_docker 24.0.9
    touch "$T/installed"
    mkdir -p "$INSTALL/data" "$INSTALL/mysql/mysql"
    cp "$SCRIPT" "$INSTALL/"
    printf 'SECRET: x\nMYSQL_HOST: mysql\nMYSQL_PASSWORD: p\n' >"$INSTALL/data/user-config.yaml"
    # Wherever it was: nobody is told to delete anything.
    fake docker "case \"\$*\" in 'secret inspect'*) exit 0 ;; $(sed -n '/case/,$p' "$T/bin/docker" | sed 1d)"
    run 1 --dry-run --install-dir "$T/other"; said 'of an installation that is not in' '--install-dir DIR'; silent purge
    mv "$INSTALL/data/user-config.yaml" "$T/"
    run 1 --dry-run --install-dir "$INSTALL"; said 'with the passwords is lost' "mv $INSTALL $INSTALL.before"; silent purge
    mv "$T/user-config.yaml" "$INSTALL/data/"
    recorded "$INSTALL" || { echo 'skipped: this needs root, and an /etc of its own'; return 0; }
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run 2>&1 </dev/null) || true
    said "install dir    $INSTALL" "user-config.yaml, kept"; silent 'purge' 'passwords is lost'
    run 1 --dry-run --install-dir "$T/other"; said "is installed in $INSTALL, and a host has one"; silent purge
    # Uninstalled, its data left there: found still, and another directory may be named.
    recorded "$INSTALL removed"
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run 2>&1 </dev/null) || true
    said "install dir    $INSTALL" "user-config.yaml, kept"
    fake_docker 24.0.9
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run --install-dir "$T/other" 2>&1 </dev/null) || true
    silent 'and a host has one'
    # Its disk is not mounted.
    recorded "$T/unmounted"
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run 2>&1 </dev/null) && fail 'it would be installed below the mount point'
    said "was installed in $T/unmounted, and nothing of it is there: is its disk mounted?"; silent purge
    # As an older version of this script left it.
    rm /etc/dataflux-func-portable
    mkdir -p /etc/logrotate.d
    printf '%s/data/logs/dataflux-func.log {\n}\n' "$INSTALL" >/etc/logrotate.d/dataflux-func
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run 2>&1 </dev/null) || true
    said "install dir    $INSTALL" "user-config.yaml, kept"
    # What an uninstall leaves.
    fake_docker 24.0.9 'inactive false'
    run 0 uninstall --yes --install-dir "$INSTALL"
    [[ $(cat /etc/dataflux-func-portable) == "$INSTALL removed" && ! -e /etc/logrotate.d/dataflux-func ]] || fail 'it does not know any more'
    recorded "$T/another"
    run 0 uninstall --yes --install-dir "$INSTALL"
    [[ $(cat /etc/dataflux-func-portable) == "$T/another" ]] || fail 'of another directory it knows nothing any more'
    recorded "$INSTALL"
    run 0 uninstall --purge --yes --install-dir "$INSTALL"
    [[ ! -e /etc/dataflux-func-portable ]] || fail 'it thinks of what is gone'
}

test_built_in_data_is_not_left_behind() {
    make_folder
    fake_docker 24.0.9
    touch "$T/installed"
    plan --no-mysql --no-redis; silent "Func's data is in"
    mkdir -p "$INSTALL/data" "$INSTALL"/{mysql/mysql,redis}
    printf 'SECRET: x\nMYSQL_HOST: mysql\nMYSQL_PASSWORD: p\nREDIS_HOST: redis\n' >"$INSTALL/data/user-config.yaml"
    printf '{ "version": "1.0.0", "ready": "t", "options": { "mysql": true, "redis": true } }\n' >"$INSTALL/receipt.json"
    run 1 --dry-run --install-dir "$INSTALL" --no-mysql; said "ERROR    --no-mysql, but Func's data is in the built-in MySQL"; silent 'built-in Redis'
    run 1 --dry-run --install-dir "$INSTALL" --no-redis; said "ERROR    --no-redis, but Func's data is in the built-in Redis" '--with-redis' 'external --redis URL'
    # Data alone, which nothing in the configuration names.
    touch "$INSTALL/redis/dump.rdb"
    printf 'SECRET: x\n' >"$INSTALL/data/user-config.yaml"
    run 1 --dry-run --install-dir "$INSTALL" --no-mysql --no-redis; said 'built-in MySQL' 'built-in Redis'
    printf 'SECRET: x\nMYSQL_HOST: db.example\nREDIS_HOST: cache.example\n' >"$INSTALL/data/user-config.yaml"
    plan --no-mysql --no-redis; silent "Func's data is in"
}

test_the_stack_of_another_node_is_left_alone() {
    make_folder
    touch "$T/installed" "$T/changed"
    mkdir -p "$INSTALL/data"
    cp "$SCRIPT" "$INSTALL/"
    printf 'SECRET: x\n' >"$INSTALL/data/user-config.yaml"
    touch "$INSTALL/docker-stack.yaml"
    fake docker 'case "$*" in
        --version) echo Docker version 24.0.9 ;;
        "version --format"*) echo 24.0.9 ;;
        *LocalNodeState*) echo active true node2 ;;
        *DockerRootDir*) echo / ;;
        "service inspect"*Placement*) cat "'"$T"'/placement" ;;
        "service inspect"*) echo "'"$INSTALL"'/data" ;;
        "node ls"*) cat "'"$T"'/nodes" ;;
        "service ps"*) echo alpha ;;
        *" rm "*|*deploy*|*scale*|*"service update"*) echo "$*" >>"'"$T"'/changed" ;;
    esac'
    printf 'node1 Ready alpha\nnode2 Ready beta\n' >"$T/nodes"
    # The second says nothing of a node: older scripts of the product wrote such stacks.
    for placement in '{"Constraints":["node.id == node1"]}' '{}'; do
        echo "$placement" >"$T/placement"
        run 1 --dry-run --install-dir "$INSTALL"; said 'the node alpha of this swarm has the stack'
        for verb in restart stop backup 'set A=1' 'uninstall --yes' 'uninstall --purge --yes' status; do
            # shellcheck disable=SC2086 # several words
            run 1 $verb --install-dir "$INSTALL"; said 'the node alpha of this swarm has the stack' 'nothing was changed'
        done
    done
    [[ ! -s $T/changed && -e $INSTALL/docker-stack.yaml ]] || fail "it changed: $(cat "$T/changed")"
    # This host, before it left its swarm and came back; and a node that is gone.
    echo '{"Constraints":["node.id == node1"]}' >"$T/placement"
    printf 'node1 Down %s\nnode2 Ready %s\n' "$(hostname)" "$(hostname)" >"$T/nodes"
    plan; silent 'of this swarm has the stack'
    echo 'node2 Ready beta' >"$T/nodes"
    plan; silent 'of this swarm has the stack'
    sed -i 's/"node ls"\*) .*/"node ls"*) exit 1 ;;/' "$T/bin/docker"
    run 1 --dry-run --install-dir "$INSTALL"; said 'Docker does not answer any more'
}

test_the_docker_of_another_host_is_not_used() {
    make_folder
    fake_docker 24.0.9
    export HOME=$T/home
    mkdir -p "$HOME/.docker"
    for host in tcp://192.0.2.1:2375 ssh://root@other; do
        DOCKER_HOST=$host run 1 --dry-run --install-dir "$INSTALL"; said "DOCKER_HOST leads to $host" 'unset DOCKER_HOST'
        DOCKER_HOST=$host run 1 uninstall --purge --yes --install-dir "$INSTALL"; said 'nothing was changed'
    done
    DOCKER_HOST=unix:///run/docker.sock run 0 --dry-run --install-dir "$INSTALL"
    fake docker "case \"\$*\" in 'context inspect'*) cat '$T/context' ;; $(sed -n '/case/,$p' "$T/bin/docker" | sed 1d)"
    echo '{ "currentContext": "far" }' >"$HOME/.docker/config.json"
    echo ssh://root@far >"$T/context"
    run 1 --dry-run --install-dir "$INSTALL"; said 'leads to ssh://root@far' 'docker context use default'
    DOCKER_HOST=unix:///run/docker.sock run 0 --dry-run --install-dir "$INSTALL" # which it would take before the context
    rm "$HOME/.docker/config.json"
    run 0 --dry-run --install-dir "$INSTALL"
    DOCKER_CONTEXT=far run 1 --dry-run --install-dir "$INSTALL"; said 'the docker context far leads to ssh://root@far'
    echo unix:///var/run/docker.sock >"$T/context"
    DOCKER_CONTEXT=near run 0 --dry-run --install-dir "$INSTALL"
    rm "$T/context"
    DOCKER_CONTEXT=none run 1 --dry-run --install-dir "$INSTALL"; said 'a place that cannot be read'
}

test_purge_deletes_what_is_ours_and_nothing_that_is_mounted_or_foreign() {
    make_folder
    mkdir -p "$INSTALL"/{data/logs,mysql,redis}
    touch "$INSTALL/docker-stack.yaml" "$INSTALL/mysql/ibdata1" "$INSTALL/note.txt"
    [[ $EUID -eq 0 ]] || { echo 'skipped: mounting needs root'; return 0; }
    trap 'umount "$INSTALL/data" 2>/dev/null || true' EXIT
    mount -t tmpfs tmpfs "$INSTALL/data"
    echo shared >"$INSTALL/data/of-the-other-host"
    run 0 uninstall --purge --yes --install-dir "$INSTALL"
    said 'data (mounted: ' note.txt
    [[ $(cat "$INSTALL/data/of-the-other-host") == shared ]] || fail 'what another host has mounted here is gone'
    umount "$INSTALL/data"
    [[ $(ls "$INSTALL") == $'data\nnote.txt' ]] || fail "left: $(ls "$INSTALL")"
    rm "$INSTALL/note.txt"
    run 1 uninstall --purge --yes --install-dir "$T"; said 'nothing in' 'says that it is the install dir'
    mkdir -p "$T/other/mysql" # somebody else's
    run 1 uninstall --purge --yes --install-dir "$T/other"; said 'says that it is the install dir'
    [[ -d $T/other/mysql ]] || fail 'what somebody else has is gone'
    # The same disk, in another place: not to be told by the device.
    mkdir -p "$INSTALL/data/resources" "$T/shared"
    echo shared >"$T/shared/file"
    touch "$INSTALL/receipt.json"
    trap 'umount "$INSTALL/data/resources" 2>/dev/null || true' EXIT
    mount --bind "$T/shared" "$INSTALL/data/resources"
    run 0 uninstall --purge --yes --install-dir "$INSTALL"; said "data (mounted: $INSTALL/data/resources)"
    [[ $(cat "$T/shared/file") == shared ]] || fail 'what is mounted here from the same disk is gone'
    # The kernel knows no symbolic link that leads there.
    touch "$INSTALL/receipt.json"
    ln -s "$INSTALL" "$T/link"
    run 0 uninstall --purge --yes --install-dir "$T/link"; said "$INSTALL/data/resources"
    [[ $(cat "$T/shared/file") == shared ]] || fail 'what is mounted is gone by way of a link'
    umount "$INSTALL/data/resources"
    touch "$INSTALL/receipt.json"
    run 0 uninstall --purge --yes --install-dir "$INSTALL"
    [[ ! -e $INSTALL ]] || fail 'the directory is left'
}

test_a_copy_that_an_installation_left_knows_where_it_is() {
    make_folder
    mkdir -p "$INSTALL/data"
    cp "$SCRIPT" "$INSTALL/"
    # It broke off before its configuration.
    OUTPUT=$(PATH=$T/bin bash "$INSTALL/run-portable.sh" status 2>&1) && fail 'it has not been installed'
    said "the installation in $INSTALL did not come to its end"
    # The stack file is written after the configuration: then that is lost.
    touch "$INSTALL/docker-stack.yaml"
    OUTPUT=$(PATH=$T/bin bash "$INSTALL/run-portable.sh" status 2>&1) && fail 'its configuration is lost'
    said 'user-config.yaml with the passwords is lost'
}

test_a_docker_that_fails_is_not_one_that_has_nothing() {
    make_folder
    mkdir -p "$INSTALL"/{data,mysql}
    printf 'SECRET: x\n' >"$INSTALL/data/user-config.yaml"
    touch "$INSTALL/docker-stack.yaml" "$INSTALL/mysql/ibdata1"
    fake docker 'case "$*" in
        --version) echo Docker version 24.0.9 ;;
        "version --format"*) echo 24.0.9 ;;
        *LocalNodeState*) echo active true node1 ;;
        *) exit 1 ;;
    esac'
    run 1 stop --install-dir "$INSTALL"; said 'Docker does not answer any more'
    run 1 uninstall --purge --yes --install-dir "$INSTALL"; said 'Docker does not answer any more' 'no data was deleted'
    [[ -e $INSTALL/mysql/ibdata1 ]] || fail 'the data is gone'
    run 1 set LOG_LEVEL=ERROR --install-dir "$INSTALL"; said 'Docker does not answer any more'
}

test_uninstall_is_for_the_product_that_runs() {
    make_folder
    mkdir -p "$INSTALL/data"
    touch "$INSTALL/receipt.json" "$T/removed"
    fake docker 'case "$*" in
        --version) echo Docker version 24.0.9 ;;
        "version --format"*) echo 24.0.9 ;;
        *LocalNodeState*) echo active true node1 ;;
        "service inspect"*) echo /elsewhere/func/data ;;
        *" rm "*) echo "$*" >>"'"$T"'/removed" ;;
    esac'
    run 1 uninstall --yes --install-dir "$INSTALL"; said 'is installed in /elsewhere/func' 'nothing was changed'
    [[ ! -s $T/removed ]] || fail "it removed: $(cat "$T/removed")"
    # Where it is cannot be asked: then it is not elsewhere, but unknown.
    sed -i 's|"service inspect"\*) .*|"service inspect"*) exit 1 ;; "service ls --filter"*) echo dataflux-func_server 1/1 ;;|' "$T/bin/docker"
    run 1 uninstall --yes --install-dir "$INSTALL"; said 'does not say where the product that runs is'
    [[ ! -s $T/removed ]] || fail "it removed: $(cat "$T/removed")"
}

test_a_docker_whose_command_is_elsewhere_is_neither_replaced_nor_passed_over() {
    make_folder
    mkdir -p "$INSTALL/data"
    touch "$INSTALL/receipt.json" "$INSTALL/data/row"
    fake ss 'case "$*" in *H*) exit 1 ;; -lx*) echo "u_str LISTEN 0 4096 /run/docker.sock 12345 * 0" ;; esac'
    run 1 --dry-run --install-dir "$INSTALL"; said 'a Docker runs here' 'PATH=' 'it is not replaced'
    run 1 uninstall --purge --yes --install-dir "$INSTALL"; said 'nothing was changed' 'where is the command docker'
    [[ -e $INSTALL/data/row ]] || fail 'data of a running product was deleted'
}

test_a_lost_configuration_is_called_lost() {
    make_folder
    fake_docker 24.0.9
    mkdir -p "$INSTALL/data"
    cp "$SCRIPT" "$INSTALL/"
    touch "$INSTALL/docker-stack.yaml" "$INSTALL/receipt.json"
    run 1 status --install-dir "$INSTALL"; said 'with the passwords is lost' 'user-config.yaml.previous'
}

test_a_restore_from_a_bundle_starts_where_the_caller_is() {
    make_folder
    fake_docker 24.0.9
    mkdir -p "$INSTALL/data" "$T/caller"
    printf 'SECRET: x\nMYSQL_HOST: mysql\n' >"$INSTALL/data/user-config.yaml"
    touch "$INSTALL/docker-stack.yaml"
    echo 'SELECT 1;' >"$T/caller/some.sql"
    OUTPUT=$(cd / && PACK_PWD=$T/caller PATH=$T/bin bash "$FOLDER/run-portable.sh" restore some.sql --yes --install-dir "$INSTALL" 2>&1 </dev/null) &&
        fail 'it is no dump'
    said "$T/caller/some.sql is not a complete dump"
}

test_what_would_lock_func_out_is_not_set() {
    make_folder
    fake_docker 24.0.9
    mkdir -p "$INSTALL/data"
    printf 'SECRET: x\nMYSQL_HOST: mysql\nREDIS_HOST: redis\n' >"$INSTALL/data/user-config.yaml"
    touch "$INSTALL/docker-stack.yaml"
    for pair in MYSQL_PASSWORD=a REDIS_PASSWORD=a SECRET=a; do
        run 1 set "$pair" --install-dir "$INSTALL"; said 'nothing was changed'
    done
    [[ $(cat "$INSTALL/data/user-config.yaml") == $'SECRET: x\nMYSQL_HOST: mysql\nREDIS_HOST: redis' ]] || fail 'the configuration changed'
}
