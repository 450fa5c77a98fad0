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
        *rm*) echo "$*" >>"'"$T"'/removed" ;;
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
