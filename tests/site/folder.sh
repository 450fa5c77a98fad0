# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-site and guestbook.sh
# The guest book in a plain folder, with pack-site beside its files, then as a small bundle that takes its images from the
# folder where it lies; and the publisher's key, asked about at a terminal and kept.

. "$ROOT/tests/site/guestbook.sh"

TRUSTED=/etc/pack/trusted/guestbook.pub

# fetch VERSION: the folder $DIR/fetched-VERSION, as pack download makes it.
fetch() { "$PACK" download --quiet --no-cache --dir "$DIR/fetched-$1" "$WEBAPP/$1/manifest.json"; }
in_folder() { "$DIR/fetched-$1/pack-site" site "$2" "$DIR/fetched-$1" "${@:3}" </dev/null; }

test_a_folder_installs_itself_once_every_file_is_right() {
    fetch 1.0.0
    mv "$DIR/fetched-1.0.0/web.tar.gz" "$T/web.tar.gz"
    refused 1 'web.tar.gz: missing' in_folder 1.0.0 install --install-dir "$INSTALL" --set "port=$PORT"
    head -c 1000000 "$T/web.tar.gz" >"$DIR/fetched-1.0.0/web.tar.gz"
    refused 3 'found 1000000 bytes' in_folder 1.0.0 install --install-dir "$INSTALL" --set "port=$PORT"
    [[ ! -e /etc/pack/guestbook.json && -z $(docker image ls -q) ]] || fail 'something was changed'
    ln -sf "$T/web.tar.gz" "$DIR/fetched-1.0.0/web.tar.gz"
    in_folder 1.0.0 install --install-dir "$INSTALL" --set "port=$PORT"
    whole 1.0.0 0
    cmp "$DIR/fetched-1.0.0/pack-site" /usr/local/lib/pack/pack || fail 'the host has another pack'
    [[ ! -e $TRUSTED ]] || fail 'nobody gave a key'
}

test_a_small_bundle_updates_from_the_files_beside_it() {
    local small=$DIR/site/run-portable.sh count
    count=$(page count)
    fetch 1.1.0
    mkdir "$DIR/site"
    "$PACK" bundle --quiet --detached -o "$small" "$DIR/fetched-1.1.0"
    (($(stat -c %s "$small") < 15000000)) || fail 'it is not small'
    cp "$DIR/fetched-1.1.0/db.tar.gz" "$DIR/site/"
    cp "$WEBAPP/1.0.0/web.tar.gz" "$DIR/site/" # stale
    refused 3 'web.tar.gz: expected' bash "$small" update </dev/null
    grep -q "this host's own pack judges the bundle" "$T/said" || fail "it did not say who judges it: $(cat "$T/said")"
    [[ $(page version) == 1.0.0 ]] || fail 'the old version does not answer'
    cp "$DIR/fetched-1.1.0/web.tar.gz" "$DIR/site/"
    bash "$small" update </dev/null
    whole 1.1.0 "$count"
    rm "$DIR/site/web.tar.gz"
    bash "$small" status </dev/null || fail 'status needs no image'
    site rollback --yes
    [[ $(page version) == 1.0.0 ]] || fail 'there is no way back'
}

test_a_key_that_is_confirmed_at_a_terminal_is_kept() {
    local signed
    site uninstall --purge --yes
    cp -r "$WEBAPP/1.0.0" "$DIR/signed"
    (cd "$DIR" && "$PACK" keygen --no-password release >/dev/null && "$PACK" keygen --no-password other >/dev/null)
    "$PACK" sign --key "$DIR/release.key" "$DIR/signed/manifest.json"
    signed=$DIR/signed.run
    "$PACK" bundle --quiet --compression fast --pubkey "$DIR/release.pub" -o "$signed" "$DIR/signed"
    printf 'y\n' | script -qec "sh $signed install --install-dir $INSTALL --set port=$PORT" /dev/null
    whole 1.0.0 0
    [[ $(stat -c %a "$TRUSTED") == 644 ]] || fail "$(stat -c %a "$TRUSTED")"
    [[ $(tail -n 1 "$TRUSTED") == "$(tail -n 1 "$DIR/release.pub")" ]] || fail 'another key is kept'
    # From now on it judges, and nobody is asked.
    refused 3 '' sh "$(bundle 1.1.0)" update </dev/null
    "$PACK" sign --key "$DIR/other.key" "$DIR/fetched-1.1.0/manifest.json"
    refused 3 '' site update "$DIR/fetched-1.1.0"
    "$PACK" sign --key "$DIR/release.key" "$DIR/fetched-1.1.0/manifest.json"
    site update "$DIR/fetched-1.1.0"
    [[ $(page version) == 1.1.0 ]] || fail 'it is not updated'
}
