# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-site and guestbook.sh
# Updates of the guest book that go wrong: each ends in the old version with its database as it was.

. "$ROOT/tests/site/guestbook.sh"

# verdict: notes when the way back began.
verdict() {
    rm -f "$T/verdict"
    (
        until is_in returning; do sleep 0.05; done
        echo "$EPOCHREALTIME" >"$T/verdict"
    ) &
    WATCH=$!
}
# What was taken first after the verdict.
back_after() {
    kill "$WATCH" 2>/dev/null || true
    [[ -s $T/verdict ]] || return 0
    awk -v verdict="$(cat "$T/verdict")" '$1 > verdict { printf "; somebody could %.1f s after the verdict", $1 - verdict; exit }' "$T/signed"
}

# gives_way VERSION TEXT ARGUMENT...: the update fails with TEXT and the old version is there again, no entry lost.
gives_way() {
    local old
    old=$(page version)
    guest_comes
    verdict
    refused 1 "$2" book "$1" "${@:3}"
    guest_goes
    printf 'measured: %s: nobody could sign for %s%s\n' "$1" "$(away)" "$(back_after)"
    whole "$old" "$(page count)"
}

test_a_first_installation_that_was_killed() {
    killed deploying sh "$(bundle 1.0.0)" install --install-dir "$INSTALL" --set "port=$PORT"
    site recover
    [[ -z $(docker ps -q) && ! -e $STATE/journal.json ]] || fail 'something still runs'
    [[ ! -e $INSTALL/docker-stack.yaml ]] || fail 'a stack file is left'
    install 1.0.0
    for ((i = 1; i <= 20; i++)); do sign "entry $i"; done
    whole 1.0.0 20
}

test_a_version_that_dies_gives_way() {
    gives_way 1.2.0-dies web
    grep -q 'cannot go on' "$T/said" || fail 'what the service said last is not shown'
    grep -q 1.0.0 "$T/said" || fail 'it does not say what runs now'
}

test_a_version_that_hangs_gives_way() {
    gives_way 1.2.0-hangs web --timeout 30
    grep -q "web: its health check says 'starting' since 20" "$T/said" || fail 'it does not say what it waits for, and since when'
}

test_the_worker_comes_back_too() {
    local count
    book 1.0.0 --set worker=on
    count=$(page count)
    refused 1 web book 1.2.0-dies
    [[ $(services) == 'guestbook_db 1/1 guestbook_web 1/1 guestbook_worker 1/1' ]] || fail "$(services)"
    (($(page count) >= count)) || fail "of $count entries $(page count) are there"
    count=$(page count)
    eventually t sql "SELECT count(*) > $count FROM entries"
    book 1.0.0 --set worker=off
    whole 1.0.0 "$(page count)"
}

# broken_off HOW PHASE VERSION: nothing of an update is left but its journal; then what the boot unit calls.
broken_off() {
    local old now
    old=$(page version)
    guest_comes
    "$1" "$2" sh "$(bundle "$3")"
    seconds "$1 while $2, recovery" site recover
    guest_goes
    now=$(page version)
    [[ $now == "$old" || $2 == opening ]] || fail "$now runs, not $old"
    whole "$now" "$(page count)"
}
killed_in() { broken_off killed "$@"; }
test_killed_while_the_port_is_closed() { killed_in closing 1.1.0; }
test_killed_while_the_database_is_dumped() { killed_in dumping 1.1.0; }
test_killed_while_the_new_version_starts() { killed_in deploying 1.1.0; }
test_killed_on_the_way_back() { killed_in returning 1.2.0-dies; }

test_the_power_goes_while_the_port_is_closed() { broken_off power_cut closing 1.1.0; }
test_the_power_goes_while_the_database_is_dumped() { broken_off power_cut dumping 1.1.0; }
test_the_power_goes_while_the_new_version_starts() { broken_off power_cut deploying 1.1.0; }
test_the_power_goes_on_the_way_back() { broken_off power_cut returning 1.2.0-dies; }

test_killed_again_while_it_recovers() {
    local count
    count=$(page count)
    killed deploying sh "$(bundle 1.2.0-dies)"
    killed returning /usr/local/bin/pack site recover
    json recover
    whole 1.0.0 "$count"
}

test_the_next_run_recovers_too() {
    local count
    count=$(page count)
    killed deploying sh "$(bundle 1.2.0-dies)"
    book 1.0.0
    whole 1.0.0 "$count"
}

# What runs makes the dump: a version like 1.0.0 whose hook does for a dump what the file `mood` says, and for what is put back
# `mood-restore`.
test_without_a_whole_dump_there_is_no_update() {
    local mood=$INSTALL/mood count
    count=$(page count)
    variant 1.0.1-moody
    # shellcheck disable=SC2016 # the hook expands it
    sed -i 's|^    dump) |&[ ! -e "$PACK_INSTALL_DIR/mood" ] \|\| . "$PACK_INSTALL_DIR/mood"; |
        s|^    restore)|& [ ! -e "$PACK_INSTALL_DIR/mood-restore" ] \|\| . "$PACK_INSTALL_DIR/mood-restore"|' "$DIR/1.0.1-moody/hook.sh"
    publish 1.0.1-moody
    book 1.0.1-moody
    whole 1.0.0 "$count"
    echo 'echo no room for it >&2; exit 3' >"$mood"
    gives_way 1.1.0 'no room for it'
    # shellcheck disable=SC2016 # the hook expands it
    for line in '>"$2"; exit 0' 'echo half >"$2"; exit 0' 'exit 0' 'yes >&2'; do
        echo "$line" >"$mood"
        gives_way 1.1.0 dump
    done
    echo 'sleep 7200' >"$mood"
    killed_in dumping 1.1.0
    ! pgrep -f 'sleep 7200' || fail 'the hook of the killed run still runs'
    rm "$mood"
}

# Nobody has the old version until its database can be put back: that is told, and every later run tries it again.
test_a_way_back_that_fails_is_gone_again() {
    local count way
    count=$(page count)
    for way in 'echo no room for it >&2; exit 3' 'yes >&2'; do
        echo "$way" >"$INSTALL/mood-restore"
        refused 1 'the way back failed' book 1.2.0-dies
        grep -qF 'pack site recover --name guestbook' "$T/said" || fail 'it does not say what to type'
        is_in returning || fail 'the journal is gone'
        refused 1 restore site restart
        refused 1 restore book 1.0.0
        rm "$INSTALL/mood-restore"
        site recover
        whole 1.0.0 "$count"
        count=$((count + 1))
    done
}

# late VERSION WHAT: a version of which web, started a second time, does that. When its ports open it is.
late() {
    variant "$1"
    python3 - "$DIR/$1/stack.yaml" "$2" <<'PY'
import pathlib, sys

path = pathlib.Path(sys.argv[1])
dies = "[ ! -e /mood/late ] || { " + sys.argv[2] + "; exit 1; }; touch /mood/late; exec docker-entrypoint.sh web"
web = f"""    init: true
    entrypoint: [sh, -c, "{dies}"]
    volumes:
      - {{ type: bind, source: "${{installDir}}", target: /mood }}
    ports:"""
path.write_text(path.read_text().replace("    init: true\n    ports:", web))
PY
    publish "$1"
}

test_a_version_that_hangs_once_its_ports_open_gives_way() {
    late 1.0.2-still 'sleep 7200'
    gives_way 1.0.2-still web --timeout 30
    rm "$INSTALL/late"
}

# Its gate is passed, its ports are open, somebody signs, and then it dies: that is not in the old version, but it is saved.
test_what_was_written_before_a_late_failure_is_saved() {
    late 1.0.2-late 'timeout 6 docker-entrypoint.sh web'
    guest_comes
    refused 1 web book 1.0.2-late
    touch "$T/gone"
    wait "$GUEST"
    rm "$INSTALL/late"
    {
        sql "SELECT text FROM entries WHERE text LIKE 'guest $$ %'"
        grep -oh "guest $$ [0-9]*" "$STATE"/dumps/given-up-1.0.2-late-*.sql
    } | sort -u >"$T/there"
    cut -d ' ' -f 2- "$T/signed" | sort | comm -23 - "$T/there" >"$T/lost"
    [[ ! -s $T/lost ]] || fail "neither there nor saved: $(paste -s -d , "$T/lost")"
    [[ $(others) == "$OTHERS" ]] || fail "of $OTHERS entries by others, $(others) are there"
    whole 1.0.0 "$(page count)"
}

test_two_at_once() {
    local count pid
    count=$(page count)
    book 1.2.0-dies >"$T/first" 2>&1 &
    pid=$!
    a_change_begins
    refused 1 '' book 1.1.0
    refused 1 '' site restart
    ! wait "$pid" || fail 'it ended well'
    whole 1.0.0 "$count"
}

# full_from PHASE COMMAND...: from that step on nobody can write another byte where the state is.
full_from() {
    local status=0 i
    (
        for ((i = 0; i < 20000; i++)); do
            ! is_in "$1" || break
            sleep 0.01
        done
        ! dd if=/dev/zero of="$STATE/full" bs=4k status=none 2>/dev/null || fail 'it never was full'
    ) &
    "${@:2}" || status=$?
    wait $! || status=99
    [[ -s $STATE/full ]] || fail "it never was $1"
    rm "$STATE/full"
    [[ ! -e $STATE/reserve ]] || fail 'the room that was kept is kept for ever'
    return "$status"
}

test_a_disk_that_fills_up_at_any_step() {
    local count phase
    count=$(page count)
    cp -a "$STATE" "$T/state"
    mount -t tmpfs -o size=40m tmpfs "$STATE"
    cp -a "$T/state/." "$STATE/"
    for phase in closing dumping deploying returning; do
        refused 1 '1.0.1-moody again' full_from "$phase" book 1.2.0-dies
        whole 1.0.0 "$count"
        count=$((count + 1))
    done
    full_from opening book 1.0.1-moody
    whole 1.0.0 "$count"
    dd if=/dev/zero of="$STATE/full" bs=4k status=none 2>/dev/null || true
    refused 1 'make room' book 1.1.0
    rm "$STATE/full"
    whole 1.0.0 $((count + 1))
    rm -rf "$T/state"
    cp -a "$STATE" "$T/state"
    umount "$STATE"
    cp -a "$T/state/." "$STATE/"
}

# The last, because they end in the new version: every service has passed the gate by then.
test_killed_while_the_port_is_opened() {
    killed_in opening 1.1.0
    [[ $(page version) == 1.1.0 ]] || fail 'it does not go on'
    site rollback --yes
}
test_the_power_goes_while_the_port_is_opened() { broken_off power_cut opening 1.1.0; }
