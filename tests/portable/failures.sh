# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# What goes wrong on a site, on purpose: the version that ran runs again, its database as it was.

. "$ROOT/tests/portable/installation.sh"

# What a bad release does to a good database, and then ends.
DIES='s/^    """This version leaves.*/    _func.sql("ALTER TABLE func_task DROP COLUMN IF EXISTS worker"); _func.sql("DELETE FROM func_task"); sys.exit("cannot go on")/'

test_first_install() {
    killed deploying sh "$(bundle 1.0.0)" --install-dir "$INSTALL" --port "$PORT"
    seconds 'installation' install 1.0.0
    [[ $(services) == "$FULL" ]] || fail "$(services)"
    set_up ''
    eventually 1 sql 'SELECT id FROM func_task WHERE id = 1'
    sql "INSERT INTO func_task (queue, worker) VALUES (99, 'mine')"
    whole 1.0.0
}

# gives_way VERSION TEXT ARGUMENT...: the update fails with TEXT and the old version is there again, no row lost.
gives_way() {
    local before
    before=$(sql 'SELECT COUNT(*) FROM func_task')
    refused 1 "$2" func "$1" "${@:3}"
    (($(sql 'SELECT COUNT(*) FROM func_task') >= before)) || fail "of $before rows $(sql 'SELECT COUNT(*) FROM func_task') are there"
    [[ $(services) == "$FULL" ]] || fail "$(services)"
    whole 1.0.0
}

test_a_version_that_changes_the_database_and_dies_gives_way() {
    changed_func 1.0.2-dies "$DIES"
    seconds 'a failed update with its way back' gives_way 1.0.2-dies server
    grep -q 'cannot go on' "$T/said" || fail 'what the server said last is not shown'
    grep -q '1.0.0 again, with its database as it was' "$T/said" || fail 'it does not say what runs now'
    [[ -n $(find "$STATE/dumps" -name '*.sql' -size +0) ]] || fail 'there is no dump of before'
}

test_killed_in_the_middle_of_it() {
    killed deploying sh "$(bundle 1.0.2-dies)"
    pack site recover
    whole 1.0.0
    # Nor does the next run go on from half a version.
    killed deploying sh "$(bundle 1.0.2-dies)"
    func 1.0.0
    whole 1.0.0
}

# A Func that runs, and answers with an error; and one that reaches nothing.
test_a_version_that_answers_with_an_error_gives_way() {
    changed_func 1.0.3 's/self.answer(302, .*/self.answer(500, "broken")/'
    gives_way 1.0.3 '/ answers: HTTP/1.0 500' --timeout 40
    changed_func 1.0.4 's/"version": func.version/"none": func.version[99]/'
    gives_way 1.0.4 '/client-app answers: nothing' --timeout 40
}

test_bad_input_leaves_the_old_version_running() {
    local before
    before=$(docker ps -q --no-trunc | sort)
    # A bit flipped on the stick.
    cp "$(bundle 1.0.1)" "$T/flipped.run"
    printf X | dd of="$T/flipped.run" bs=1 seek=30000000 conv=notrunc status=none
    refused 3 damaged sh "$T/flipped.run"
    # A taken port.
    /usr/bin/python3 -m http.server 18090 >/dev/null 2>&1 &
    eventually 200 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18090/
    refused 1 'port 18090 is taken' func 1.0.1 --port 18090
    kill $!
    # An operator's stack file, and a configuration, edited into nonsense.
    printf 'services: [\n' >"$INSTALL/docker-stack.override.yaml"
    refused 1 override verb restart
    printf 'services: { server: { image: "dff-test-none:1" } }\n' >"$INSTALL/docker-stack.override.yaml"
    refused 1 'names an image' verb restart
    rm "$INSTALL/docker-stack.override.yaml"
    cp -p "$CONFIG" "$T/"
    printf '\tLOG_LEVEL = 1\n' >>"$CONFIG"
    refused 1 user-config.yaml verb restart
    refused 1 user-config.yaml func 1.0.1
    cp -p "$T/user-config.yaml" "$CONFIG"
    # What the data was made with is lost.
    sed -i '/^SECRET/d' "$CONFIG"
    refused 1 'no SECRET' func 1.0.1
    mv "$CONFIG" "$T/lost"
    refused 1 'is gone' func 1.0.1
    refused 2 'in another folder' func 1.0.1 --install-dir "$DIR/elsewhere"
    cp -p "$T/user-config.yaml" "$CONFIG"
    verb stop
    mv "$INSTALL/mysql" "$T/"
    mkdir "$INSTALL/mysql"
    refused 1 'is empty' func 1.0.1
    refused 1 'mounted' verb restart
    rmdir "$INSTALL/mysql"
    mv "$T/mysql" "$INSTALL/"
    printf 'services: [\n' >"$INSTALL/docker-stack.yaml" # which is made anew each time
    verb restart
    # No room.
    mkdir "$T/full"
    mount -t tmpfs -o size=64k,nr_inodes=50 tmpfs "$T/full"
    # shellcheck disable=SC2016 # the inner bash expands them
    refused 1 'free at' unshare --mount bash -c 'mount -t tmpfs tmpfs /etc/pack && exec sh "$1" --install-dir "$2" --port 18091' full "$(bundle 1.0.0)" "$T/full/func"
    grep -q 'made for 20 GiB' "$T/said" || fail 'a disk that is too small is not told'
    grep -q 'inodes are free' "$T/said" || fail 'a disk that has no room for more files is not told'
    umount "$T/full"
    [[ -n $before ]] && whole 1.0.0
}

test_two_at_once() {
    local pid
    func 1.0.2-dies >"$T/first" 2>&1 &
    pid=$!
    a_change_begins
    refused 1 '' func 1.0.1
    refused 1 '' verb restart
    ! wait "$pid" || fail 'it ended well'
    whole 1.0.0
}

test_update_and_back() {
    printf 'services:\n  server:\n    environment: { MINE: theirs }\n' >"$INSTALL/docker-stack.override.yaml"
    seconds update func 1.0.1
    [[ $(app version) == 1.0.1 && $(docker exec "$(container server)" printenv MINE) == theirs ]] || fail "the operator's own is gone"
    rm "$INSTALL/docker-stack.override.yaml"
    whole 1.0.1
    refused 3 older func 1.0.0
    sql 'CREATE TABLE only_in_the_new (id INT)'
    refused 2 yes verb rollback
    verb rollback --yes
    [[ -z $(sql "SHOW TABLES LIKE 'only_in_the_new'") ]] || fail 'the database is the new one'
    whole 1.0.0
    # As the manual updates it (4.1): what runs is removed by hand before.
    docker stack rm dataflux-func
    eventually '' docker ps -aq
    func 1.0.1 --install-dir "$INSTALL"
    whole 1.0.1
    func 1.0.0 --allow-downgrade
    whole 1.0.0
}
