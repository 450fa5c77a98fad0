# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# The run script on a real Docker Engine, after docker.sh: what goes wrong on a site, on purpose.

. "$ROOT/tests/portable/installation.sh"

test_without_rights_it_says_so() {
    # In a place where everybody may read, whatever this shell's umask and TMPDIR are.
    chmod 711 "$DIR"
    command install -d -m 755 "$DIR/readable"
    command install -m 644 "$OLD"/{run-portable.sh,manifest.json,docker-stack.example.yaml} "$DIR/readable/"
    refused 1 'this user may not ask Docker' setpriv --reuid 65534 --regid 65534 --clear-groups \
        bash "$DIR/readable/run-portable.sh" --dry-run --online --install-dir "$DIR/readable/func"
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
    mkdir "$FULL"
    mount -t tmpfs -o size=64k tmpfs "$FULL"
    refused 1 'MB free at' bash "$OLD/run-portable.sh" --install-dir "$FULL/func" --port "$PORT"
    umount "$FULL"
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
    local func=pubrepo.jiagouyun.com/dataflux-func/dataflux-func
    # Func's port inside is 8088; a configuration that Func cannot use makes the server end at once.
    cp "$INSTALL/data/user-config.yaml" "$T/"
    refused 1 'server' verb set LOG_LEVEL=NONSENSE --timeout 40 | tee "$T/failure"
    grep -q '^  | .*NONSENSE' "$T/failure" || fail 'the last lines of its log are not shown'
    grep -q 'not every service runs: .*server' "$T/failure" || fail 'it is not named'
    grep -q 'run-portable.sh doctor' "$T/failure" || fail 'the next command is not said'
    refused 1 'finding(s)' verb doctor
    cp "$T/user-config.yaml" "$INSTALL/data/"
    # A Func that runs, and answers with an error.
    docker tag "$func:1.0.0" dff-test-good
    DOCKER_BUILDKIT=0 docker build -q -t dff-test-broken:1.0.0 - <<'EOF'
FROM dff-test-good
RUN sed -i 's/self.answer(302, .*/self.answer(500, "broken")/' func.py
EOF
    # Whatever a tag is given to meanwhile does not run.
    docker tag dff-test-broken:1.0.0 "$func:1.0.0"
    verb restart
    [[ $(app version) == 1.0.0 ]] || fail 'it runs what a tag names'
    # What an operator writes into the stack file does, and is an ID from then on.
    cp "$INSTALL/docker-stack.yaml" "$T/"
    sed -i "s|^    image: sha256:.* # $func:1.0.0\$|    image: dff-test-broken:1.0.0|" "$INSTALL/docker-stack.yaml"
    refused 1 'does not answer as it should: HTTP/1.0 500' verb restart --timeout 60 | tee "$T/failure"
    grep -q '^  | .*"GET / HTTP/1.0" 500' "$T/failure" || fail 'the last lines of its log are not shown'
    grep -q 'run-portable.sh doctor' "$T/failure" || fail 'the next command is not said'
    refused 1 'answers: HTTP/1.0 500' verb status
    grep -q "^    image: $(docker image inspect --format '{{.Id}}' dff-test-broken:1.0.0) # dff-test-broken:1.0.0\$" "$INSTALL/docker-stack.yaml" || fail 'it names a tag'
    sed 's|^    image: sha256:.* # dff-test-broken.*|    image: dff-test-none:1|' "$INSTALL/docker-stack.yaml" >"$T/none.yaml"
    cp "$T/none.yaml" "$INSTALL/docker-stack.yaml"
    refused 1 'is not on this host: dff-test-none:1' verb restart
    cp "$T/docker-stack.yaml" "$INSTALL/"
    docker tag dff-test-good "$func:1.0.0"
    docker image rm dff-test-good
    verb restart
}
