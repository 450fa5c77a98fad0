# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-site and guestbook.sh
# The life of the guest book on a real engine: installed, updated, taken back, backed up, removed. One test continues where
# the one before ended, as an operator does.

. "$ROOT/tests/site/guestbook.sh"

test_first_install() {
    local name
    seconds 'installation' install 1.0.0
    [[ $(page version) == 1.0.0 && $(page count) == 0 ]] || fail 'it does not answer'
    [[ $(services) == 'guestbook_db 1/1 guestbook_web 1/1' ]] || fail "$(services)"
    [[ ! -e /usr/local/guestbook ]] || fail 'there is something where it was not asked for'
    for name in "$INSTALL/secrets/db-password" /etc/pack/guestbook.json "$STATE/receipt.json" "$INSTALL/docker-stack.yaml"; do
        [[ -s $name ]] || fail "there is no $name"
    done
    [[ $(stat -c %a "$INSTALL/secrets/db-password") == 600 ]] || fail 'others may read the password'
    ! grep -rF "$(cat "$INSTALL/secrets/db-password")" /etc/pack "$STATE" "$INSTALL/docker-stack.yaml" || fail 'the password is in another file'
    grep -q 'image:.*sha256:[0-9a-f]\{64\}' "$INSTALL/docker-stack.yaml" || fail 'the stack is not by ID'
    whole 1.0.0 0
    sign '<b>&'
    page '' | grep -qF '<li>&lt;b>&amp;' || fail "the page does not show it: $(page '')"
}

test_a_preflight_and_a_dry_run_change_nothing() {
    local before
    before=$(find "$INSTALL" "$STATE" /etc/pack -printf '%p %T@ %s\n' | grep -v "^$INSTALL/data/db/" | sort)
    site preflight "$(bundle 1.1.0)"
    json preflight "$(bundle 1.1.0)"
    site doctor
    json doctor
    book 1.1.0 --dry-run
    json update "$(bundle 1.1.0)" --dry-run
    site receipt
    json receipt
    site rollback --dry-run && fail 'there is nothing to go back to'
    refused 2 purge site uninstall --purge
    [[ $(find "$INSTALL" "$STATE" /etc/pack -printf '%p %T@ %s\n' | grep -v "^$INSTALL/data/db/" | sort) == "$before" ]] || fail 'something is another'
    [[ $(page version) == 1.0.0 ]] || fail 'it does not answer'
}

test_a_second_install_changes_nothing() {
    local before count
    count=$(page count)
    before=$(docker ps -q --no-trunc | sort)
    book 1.0.0
    [[ $(docker ps -q --no-trunc | sort) == "$before" ]] || fail 'a container is another'
    whole 1.0.0 "$count"
}

# A power cut right after the rename would leave empty files under the names of the version.
test_a_version_is_on_the_disk_before_it_has_its_name() {
    local new=$STATE/versions/.new name
    strace -f -qq -y -e trace=fsync,rename -o "$T/trace" /usr/local/bin/pack site install "$(bundle 1.0.0)"
    sed "/rename(\"${new//\//\\/}\", /q" "$T/trace" >"$T/before"
    tail -n 1 "$T/before" | grep -q 'rename(' || fail 'it is not renamed'
    # What was loaded is written down afterwards, as a file of its own.
    for name in $(cd "$STATE/versions/1.0.0" && find . ! -name .loaded.json -printf '%P\n'); do
        grep -qF "<$new/$name>" "$T/before" || fail "$name has its name before it is on the disk: $(cat "$T/before")"
    done
}

test_an_option_stays_until_it_is_set_again() {
    install 1.0.0 --set worker=on
    [[ $(services) == 'guestbook_db 1/1 guestbook_web 1/1 guestbook_worker 1/1' ]] || fail "$(services)"
    eventually t sql "SELECT count(*) > 0 FROM entries WHERE text LIKE '%worker%'"
    book 1.0.0
    [[ $(services) == *worker* ]] || fail 'an option that was not given did not stay'
    PORT=18081
    book 1.0.0 --set worker=off --set "port=$PORT"
    [[ $(services) == 'guestbook_db 1/1 guestbook_web 1/1' ]] || fail "$(services)"
    [[ $(page version) == 1.0.0 ]] || fail 'it does not answer on its new port'
    ! curl -sS --max-time 3 http://127.0.0.1:18080/ || fail 'the old port still answers'
    book 1.0.0 --set port=18080
    refused 2 colour book 1.0.0 --set colour=red
    refused 2 port book 1.0.0 --set port=0
}

test_backup_and_restore() {
    local dump count
    count=$(page count)
    dump=$(site backup --json | grep -o '/[^"]*\.sql' | head -n 1)
    [[ -s $dump && $(stat -c %a "$dump") == 600 ]] || fail "no dump: $dump"
    grep -q 'COPY guestbook.entries' "$dump" || fail 'the rows are not in it'
    sql 'DELETE FROM entries; ALTER TABLE entries ADD COLUMN later int NOT NULL; CREATE TABLE later (id int)'
    ! sign 'nobody' || fail 'the table was not damaged'
    json restore "$dump"
    [[ -z $(sql "SELECT to_regclass('later')") ]] || fail 'a later table is still there'
    whole 1.0.0 "$count"
    count=$(page count)
    # A dump that breaks off, and one that the database does not take: everything stays as it is.
    head -n 20 "$dump" >"$T/half.sql"
    refused 1 half.sql site restore "$T/half.sql"
    { echo 'CREATE GARBAGE;'; cat "$dump"; } >"$T/bad.sql"
    refused 1 GARBAGE site restore "$T/bad.sql"
    whole 1.0.0 "$count"
}

test_stop_restart_status_logs() {
    local before count
    count=$(page count)
    json status
    site receipt | grep 1.0.0 >/dev/null || fail 'the receipt does not name the version'
    before=$(container db)
    site restart --dry-run
    site stop --dry-run
    site backup --dry-run
    site uninstall --purge --dry-run
    json uninstall --purge --dry-run
    refused 1 'no such dump' site restore --dry-run "$T/nothing.sql"
    [[ $(container db) == "$before" && $(page count) == "$count" ]] || fail 'a dry run changed something'
    json restart
    [[ -n $(container db) && $(container db) != "$before" ]] || fail 'the database was not restarted'
    site logs web | grep 'guestbook 1.0.0' >/dev/null || fail 'no output of web'
    site logs --json web | python3 -c 'import json, sys
lines = json.load(sys.stdin)["services"]["web"]
assert any("guestbook 1.0.0" in line["text"] and line["stream"] in ("stdout", "stderr") for line in lines), lines
assert [line["time"] for line in lines] == sorted(line["time"] for line in lines) and lines[0]["time"][:2] == "20", lines'
    refused 2 'no JSON document' site logs --json web --follow
    refused 2 nothing site logs nothing
    json stop
    [[ -z $(services) && -z $(docker ps -q) ]] || fail 'something still runs'
    refused 1 '' site status
    site restart
    whole 1.0.0 "$count"
}

test_update() {
    guest_comes
    seconds 'update' book 1.1.0
    guest_goes
    printf 'measured: nobody could sign while it was updated: %s\n' "$(away)"
    whole 1.1.0 "$(page count)"
    [[ -n $(sql 'SELECT length FROM entries LIMIT 1') ]] || fail 'the database is the old one'
    [[ -n $(find "$STATE" "$INSTALL" -name '*.sql' -size +0) ]] || fail 'there is no dump of before'
    refused 3 older book 1.0.0
    [[ $(page version) == 1.1.0 ]] || fail 'it was replaced'
}

test_rollback_is_a_persons_decision() {
    local before
    before=$(sql 'SELECT max(id) FROM entries')
    sign 'only in 1.1.0'
    refused 2 yes site rollback
    grep -q 1.0.0 "$T/said" || fail 'it does not say where to'
    [[ $(page version) == 1.1.0 ]] || fail 'it was not asked for'
    seconds 'rollback' site rollback --yes
    [[ $(page version) == 1.0.0 ]] || fail 'it is not the old one'
    [[ $(sql "SELECT count(*) FROM entries WHERE text = 'only in 1.1.0'") == 0 ]] || fail 'the database is the new one'
    (($(sql 'SELECT max(id) FROM entries') < before)) || fail 'the database is the new one'
    whole 1.0.0 "$(page count)"
    # And forward once more.
    book 1.1.0
    whole 1.1.0 "$(page count)"
    json rollback --yes
}

test_uninstall_keeps_the_data() {
    local count
    count=$(page count)
    json uninstall
    [[ -z $(docker ps -aq) && -z $(docker service ls -q) && -z $(docker secret ls -q) ]] || fail 'something of it still runs'
    [[ -d $INSTALL/data/db/book ]] || fail 'the data is gone'
    json install "$(bundle 1.0.0)" # which finds where it was
    whole 1.0.0 "$count"
}

test_purge_leaves_nothing() {
    local images
    site uninstall --purge --yes
    images=$(docker image ls --format '{{.Repository}}' | grep guestbook || true)
    [[ -z $(docker ps -aq) && -z $(docker service ls -q) && -z $(docker secret ls -q) && -z $images ]] || fail "something is left in the engine: $images"
    [[ ! -e $INSTALL && ! -e /etc/pack/guestbook.json && ! -e $STATE ]] || fail "left: $(find "$INSTALL" "$STATE" | head)"
    # A version that is bad at once leaves nothing that runs, and the next is a first installation.
    refused 1 '' install 1.2.0-dies --timeout 30
    [[ -z $(docker ps -q) ]] || fail 'a version that failed still runs'
    install 1.0.0
    whole 1.0.0 0
}
