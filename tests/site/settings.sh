# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-site and guestbook.sh
# What operators and publishers set: the configuration, the operator's stack file, whose key is trusted; and files of the
# installation that are not what they should be.

. "$ROOT/tests/site/guestbook.sh"

test_a_configuration_is_made_shown_and_set() {
    local secret
    variant 1.0.1
    sed -i '/path: data.db/a\  - { path: data/uploads, backup: true }' "$DIR/1.0.1/product.yaml"
    cat >>"$DIR/1.0.1/product.yaml" <<'EOF'
configuration:
  file: data/config.yaml
  keys:
    SECRET: { random: true }
    NOTE: { type: text, default: hello }
    SIZE: { type: number, default: 5, min: 1, max: 20 }
EOF
    # A book that does not come up with a certain note.
    python3 - "$DIR/1.0.1/stack.yaml" <<'EOF'
import re, sys
path = sys.argv[1]
text = open(path).read()
text = text.replace('    init: true\n    ports:', '    init: true\n    volumes: [{ type: bind, source: "${installDir}/data/config.yaml", target: /config.yaml }, { type: bind, source: "${installDir}/data/uploads", target: /uploads }]\n    ports:')
text = text.replace('test: [CMD, wget, -q,', 'test: [CMD-SHELL, "! grep -q broken /config.yaml && wget -q -O /dev/null http://127.0.0.1/count"] #')
open(path, 'w').write(text)
EOF
    publish 1.0.1
    install 1.0.1
    [[ $(stat -c %a "$INSTALL/data/config.yaml") == 600 ]] || fail 'others may read it'
    secret=$(site get SECRET --secrets | cut -d ' ' -f 2)
    [[ $secret =~ ^[0-9a-f]{48}$ ]] || fail "the secret: $secret"
    ! site get | grep -F "$secret" || fail 'the secret is shown unasked'
    [[ $(site get NOTE) == 'NOTE: hello' ]] || fail "$(site get NOTE)"
    echo '# an operator was here' >>"$INSTALL/data/config.yaml"
    json set 'NOTE=a: b' SIZE=7
    json get
    grep -qF '# an operator was here' "$INSTALL/data/config.yaml" || fail 'the comment is gone'
    docker exec "$(container web)" grep -qF 'NOTE: "a: b"' /config.yaml || fail 'the book does not see it'
    docker exec "$(container web)" grep -qx 'SIZE: 7' /config.yaml || fail 'a number is a text'
    refused 2 'from 1 to 20' site set SIZE=21
    refused 2 'no key that is known' site set OTHER=1
    refused 2 'made at random' site set SECRET=x
    site set --force OTHER=1
    [[ $(site get SECRET --secrets) == "SECRET: $secret" ]] || fail 'the secret is another'
    whole 1.0.0 0
}

test_a_setting_with_which_it_does_not_come_up_is_undone() {
    local count
    count=$(page count)
    refused 1 undone site set --timeout 25 NOTE=broken
    [[ $(site get NOTE) == 'NOTE: a: b' && ! -e $INSTALL/data/config.yaml.before ]] || fail "$(site get)"
    whole 1.0.0 "$count"
}

# packed FOLDER: what lies there, as a whole backup.
packed() {
    local digest
    tar --numeric-owner -cf "$1.backup.tar" -C "$1" backup.json database files
    digest=$(sha256sum <"$1.backup.tar" | cut -d ' ' -f 1)
    printf 'pack-backup sha256:%s\n' "$digest" | dd bs=512 conv=sync status=none >>"$1.backup.tar"
    printf '%s\n' "$1.backup.tar"
}
# as_saved COUNT SECRET: rows, settings and files are as they were when the backup was made.
as_saved() {
    [[ $(page count) == "$1" ]] || fail "there are $(page count) entries, not $1"
    [[ $(site get NOTE SIZE SECRET --secrets | sort) == $'NOTE: a: b\nSECRET: '"$2"$'\nSIZE: 7' ]] || fail "$(site get)"
    [[ $(docker exec "$(container web)" cat /uploads/file) == first && $(stat -c '%a %u' "$INSTALL/data/uploads/file") == '640 4711' ]] || fail 'the file is another'
    [[ ! -e $INSTALL/data/uploads/later && ! -e $INSTALL/.pack-restore && ! -e $INSTALL/data/config.yaml.before ]] || fail "$(ls -A "$INSTALL" "$INSTALL/data")"
    docker exec "$(container web)" env | grep -qx 'OPERATOR=was here' || fail "the operator's file has no effect"
    whole 1.0.0 "$1"
}

test_a_whole_backup_brings_back_rows_settings_and_files() {
    local backup before count secret what
    echo first >"$INSTALL/data/uploads/file"
    chown 4711:4711 "$INSTALL/data/uploads/file"
    chmod 640 "$INSTALL/data/uploads/file"
    printf 'services:\n  web:\n    environment: { OPERATOR: "was here" }\n' >"$INSTALL/docker-stack.override.yaml"
    secret=$(site get SECRET --secrets | cut -d ' ' -f 2)
    count=$(page count)
    backup=$(site backup --whole | head -n 1)
    [[ $backup == "$INSTALL"/backups/guestbook-1.0.1-*.backup.tar && $(stat -c %a "$backup") == 600 ]] || fail "the file $backup"
    [[ $(find "$INSTALL/backups" -mindepth 1) == "$backup" ]] || fail "beside it: $(ls -A "$INSTALL/backups")"
    [[ $(tar -tf "$backup" | paste -s -d ' ') == 'backup.json database files/data/config.yaml files/data/uploads/ files/data/uploads/file files/docker-stack.override.yaml' ]] ||
        fail "in it: $(tar -tf "$backup")"
    cp -p "$backup" "$DIR/"
    backup=$DIR/${backup##*/}
    # Of another product or version, damaged, or with what the database does not take: all stays as it is.
    sign later
    site set NOTE=later SIZE=9
    echo second >"$INSTALL/data/uploads/file"
    echo more >"$INSTALL/data/uploads/later"
    before=$(docker ps -q | sort)
    head -c -512 "$backup" >"$T/cut.backup.tar"
    refused 1 'not whole' site restore "$T/cut.backup.tar"
    refused 1 'not whole' site restore --dry-run "$T/cut.backup.tar"
    for what in product version database; do mkdir "$T/$what" && tar -xpf "$backup" -C "$T/$what"; done
    sed -i 's/"name": "guestbook"/"name": "other"/' "$T/product/backup.json"
    refused 1 'another product' site restore "$(packed "$T/product")"
    sed -i 's/"version": "1.0.1"/"version": "1.0.2"/' "$T/version/backup.json"
    refused 1 'install guestbook 1.0.2 first' site restore "$(packed "$T/version")"
    [[ $(docker ps -q | sort) == "$before" ]] || fail 'what ran was touched'
    sed -i '1i CREATE GARBAGE;' "$T/database/database"
    refused 1 GARBAGE site restore "$(packed "$T/database")"
    [[ $(site get NOTE) == 'NOTE: later' && $(docker exec "$(container web)" cat /uploads/file) == second ]] || fail 'something is another'
    [[ $(page count) == $((count + 1)) && ! -e $INSTALL/.pack-restore && ! -e $INSTALL/data/config.yaml.before ]] || fail 'something is left'
    rm "$INSTALL/docker-stack.override.yaml"
    site restore --dry-run "$backup"
    echo "$count" >"$DIR/saved"
    site restore "$backup" | tee "$T/said"
    [[ $(cat "$INSTALL"/data/uploads.aside-*/file) == second ]] || fail 'what was there is gone'
    grep -q "$INSTALL/data/uploads.aside-" "$T/said" || fail 'what was set aside is not told'
    as_saved "$count" "$secret"
}

# as_before COUNT ASIDE: nothing of a backup is in use, and nothing that was aside or is now has changed.
as_before() {
    [[ $(page count) == "$1" ]] || fail "there are $(page count) entries, not $1"
    [[ $(site get NOTE) == 'NOTE: later' ]] || fail "$(site get)"
    [[ $(docker exec "$(container web)" cat /uploads/file) == second && -e $INSTALL/data/uploads/later ]] || fail 'the file is another'
    [[ $(asides) == "$2" ]] || fail "aside: $(asides)"
    [[ ! -e $INSTALL/docker-stack.override.yaml && ! -e $INSTALL/.pack-restore && ! -e $INSTALL/data/config.yaml.before ]] ||
        fail "left: $(ls -A "$INSTALL" "$INSTALL/data")"
    whole 1.0.0 "$1"
}
asides() { find "$INSTALL" -name '*.aside-*' -prune -print | sort; }
# shellcheck disable=SC2317 # it is called by name
folders_are_exchanged() { is_in deploying && [[ ! -e $INSTALL/.pack-restore/files/data/uploads ]]; }

test_a_restore_of_a_whole_backup_is_one_change() {
    local backup count there
    backup=$(echo "$DIR"/guestbook-1.0.1-*.backup.tar)
    there=$(asides)
    rm "$INSTALL/docker-stack.override.yaml"
    site set NOTE=later SIZE=9
    echo second >"$INSTALL/data/uploads/file"
    echo more >"$INSTALL/data/uploads/later"
    count=$(page count)
    # Settings with which it does not come up: by then the folders are exchanged.
    mkdir "$T/broken"
    tar -xpf "$backup" -C "$T/broken"
    sed -i 's/^NOTE:.*/NOTE: broken/' "$T/broken/files/data/config.yaml"
    refused 1 'with its database as it was' site restore --timeout 25 "$(packed "$T/broken")"
    as_before "$count" "$there"
    # Nobody is there any more who could take it back, until the next boot or run.
    killed_when folders_are_exchanged /usr/local/bin/pack site restore "$backup"
    site recover
    as_before $((count + 1)) "$there"
    # Before it changed anything, all that is left is what was unpacked.
    mkdir "$INSTALL/.pack-restore"
    site recover
    as_before $((count + 2)) "$there"
    mount --bind "$INSTALL/data" "$INSTALL/data"
    refused 1 'is a mount here' site restore --dry-run "$backup"
    umount "$INSTALL/data"
    # Once it has passed its gate it goes on.
    killed opening /usr/local/bin/pack site restore "$backup"
    site recover 2>&1 | tee "$T/said"
    grep -q "$INSTALL/data/uploads.aside-" "$T/said" || fail 'what was set aside is not told'
    as_saved "$(cat "$DIR/saved")" "$(site get SECRET --secrets | cut -d ' ' -f 2)"
}

test_a_new_host_takes_a_whole_backup() {
    local backup count password secret
    backup=$(site backup --whole | head -n 1)
    secret=$(site get SECRET --secrets | cut -d ' ' -f 2)
    password=$(cat "$INSTALL/secrets/db-password")
    count=$(page count)
    mv "$backup" "$DIR/"
    site uninstall --purge --yes
    rm -rf "$INSTALL"
    install 1.0.1
    [[ $(cat "$INSTALL/secrets/db-password") != "$password" && $(page count) == 0 ]] || fail 'it is the old host'
    site restore "$DIR/${backup##*/}"
    as_saved "$count" "$secret"
    rm "$INSTALL/docker-stack.override.yaml"
    site restart
}

test_a_setting_that_was_broken_off_is_undone_by_the_next_run() {
    local count
    count=$(page count)
    cp -p "$INSTALL/data/config.yaml" "$INSTALL/data/config.yaml.before"
    sed -i 's/^NOTE:.*/NOTE: broken/' "$INSTALL/data/config.yaml"
    site recover
    [[ $(site get NOTE) == 'NOTE: a: b' ]] || fail "$(site get)"
    whole 1.0.0 "$count"
    # A configuration that is lost is not made anew: data depends on what is in it.
    mv "$INSTALL/data/config.yaml" "$T/"
    refused 1 'is gone' site restart
    refused 1 'is gone' book 1.0.1
    mv "$T/config.yaml" "$INSTALL/data/"
    site restart
}

test_the_operators_stack_file_is_laid_over() {
    local count before
    count=$(page count)
    printf 'services:\n  web:\n    environment: { OPERATOR: "was here" }\n' >"$INSTALL/docker-stack.override.yaml"
    site restart
    docker exec "$(container web)" env | grep -qx 'OPERATOR=was here' || fail 'it has no effect'
    book 1.0.1
    docker exec "$(container web)" env | grep -qx 'OPERATOR=was here' || fail 'it does not survive'
    before=$(docker ps -q | sort)
    printf 'services: [' >"$INSTALL/docker-stack.override.yaml"
    refused 1 override site restart
    refused 1 override book 1.0.1
    [[ ! -e $STATE/journal.json ]] || fail 'a change began that has no way back'
    printf 'services:\n  web: { image: "guestbook/web:1.1.0" }\n' >"$INSTALL/docker-stack.override.yaml"
    refused 1 'names an image' site restart
    printf 'services:\n  web: { colour: red }\n' >"$INSTALL/docker-stack.override.yaml"
    refused 1 colour site restart
    [[ $(docker ps -q | sort) == "$before" ]] || fail 'what ran was touched'
    # Only the engine finds that wrong. What ran before comes back with the file that it ran with.
    refused 1 '1.0.1 again' book 1.1.0
    [[ ! -e $STATE/journal.json ]] || fail 'the way back did not come to its end'
    docker exec "$(container web)" env | grep -qx 'OPERATOR=was here' || fail 'not as it was'
    rm "$INSTALL/docker-stack.override.yaml"
    site restart
    whole 1.0.0 "$count"
}

test_the_key_of_the_first_installation_judges_the_next() {
    local count before
    count=$(page count)
    (cd "$DIR" && "$PACK" keygen --no-password release >/dev/null && "$PACK" keygen --no-password other >/dev/null)
    for version in 1.0.2 1.0.3 1.0.4; do
        variant "$version"
        cp "$DIR/1.0.1/product.yaml" "$DIR/1.0.1/stack.yaml" "$DIR/$version/"
        "$PACK" lock --quiet --update --no-cache "$DIR/$version/manifest.json"
    done
    "$PACK" sign --quiet --key "$DIR/release.key" "$DIR/1.0.2/manifest.json"
    "$PACK" sign --quiet --key "$DIR/other.key" "$DIR/1.0.3/manifest.json"
    for version in 1.0.2 1.0.3 1.0.4; do "$PACK" bundle --quiet --compression fast -o "$BUNDLES" "$DIR/$version"; done
    refused 3 '' book 1.0.2 --pubkey "$DIR/other.pub"
    # One that does not come up leaves no key, one that is broken off has it.
    refused 1 '' book 1.0.2 --pubkey "$DIR/release.pub" --timeout 1
    [[ ! -e /etc/pack/trusted/guestbook.pub ]] || fail 'a key is kept of what was not installed'
    killed opening sh "$(bundle 1.0.2)" --pubkey "$DIR/release.pub"
    site recover
    grep -q "own pack judges" <(sh "$(bundle 1.0.2)" --dry-run 2>&1) || fail 'the bundle judges itself'
    [[ -s /etc/pack/trusted/guestbook.pub ]] || fail 'the key is not kept'
    before=$(docker ps -q | sort)
    refused 3 '' book 1.0.3
    refused 3 '' book 1.0.4
    refused 3 'trusts another' book 1.0.3 --pubkey "$DIR/other.pub"
    refused 3 '' site update "$(bundle 1.0.4)"
    [[ $(docker ps -q | sort) == "$before" ]] || fail 'what ran was touched'
    book 1.0.2
    whole 1.0.0 "$count"
}

test_files_that_are_not_what_they_should_be() {
    local count before
    count=$(page count)
    before=$(docker ps -q | sort)
    cp -p /etc/pack/guestbook.json "$T/"
    sed -i 's/"schemaVersion": 1/"schemaVersion": 2/' /etc/pack/guestbook.json
    refused 1 'newer pack' site status
    refused 1 'newer pack' site restart
    head -c 100 "$T/guestbook.json" >/etc/pack/guestbook.json
    refused 1 guestbook.json site restart
    cp -p "$T/guestbook.json" /etc/pack/
    head -c 100 "$T/guestbook.json" >"$STATE/journal.json"
    refused 1 journal.json site restart
    rm "$STATE/journal.json"
    mv "$INSTALL/secrets/db-password" "$T/"
    refused 1 'a secret is gone' site restart
    mv "$T/db-password" "$INSTALL/secrets/"
    [[ $(docker ps -q | sort) == "$before" ]] || fail 'what ran was touched'
    whole 1.0.0 "$count"
}
