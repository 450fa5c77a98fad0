# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-site and guestbook.sh
# The guest book on an engine that keeps images in containerd, where an image's ID is its manifest's digest.

. "$ROOT/tests/site/guestbook.sh"

load() { "$PACK" load --quiet "$(bundle "$1")" </dev/null; }
# id VERSION: the engine's ID of that version's web.
id() { docker image inspect --format '{{.Id}}' "guestbook/web:$1"; }
empty() { [[ -z $(docker image ls -q) ]] || docker image ls -q | sort -u | xargs docker image rm -f >/dev/null; }
# files IMAGE: every file of it can be read.
files() { docker run --rm --network none --entrypoint sh "$1" -c 'find / -xdev -type f -exec cat {} + | wc -c'; }

test_load() {
    local version
    printf 'measured: Docker %s, %s\n' "$(docker version --format '{{.Server.Version}}')" "$(docker info --format '{{.Driver}}')"
    docker info --format '{{json .DriverStatus}}' | grep -q containerd.snapshotter || fail 'it does not keep images in containerd'
    for version in 1.0.0 1.1.0; do
        seconds "load of $version" load "$version"
        [[ $(id "$version") == sha256:* ]] || fail "no $version"
    done
    [[ $(docker image ls -q | sort -u | wc -l) == 3 ]] || fail "not three images: $(docker image ls)"
    version=$(id 1.0.0)
    docker image rm guestbook/db:1.0.0 >/dev/null
    load 1.0.0 # of which one image is there
    [[ $(id 1.0.0) == "$version" ]] || fail 'it is another'
    (($(files guestbook/db:1.0.0) > 1000000)) || fail 'the files are not there'
}

test_a_load_that_is_killed_is_made_good() {
    local pid i
    for i in 0.1 0.4 0.8 1.5; do
        empty
        setsid "$PACK" load --quiet "$(bundle 1.0.0)" </dev/null &
        pid=$!
        sleep "$i"
        kill -KILL -- "-$pid" 2>/dev/null || true
        wait "$pid" || true
        load 1.0.0
        (($(files guestbook/db:1.0.0) > 1000000 && $(files guestbook/web:1.0.0) > 1000000)) || fail 'the files are not there'
    done
}

test_a_tag_that_was_moved_is_set_again() {
    local before
    load 1.0.0
    before=$(id 1.0.0)
    docker tag guestbook/db:1.0.0 guestbook/web:1.0.0
    load 1.0.0
    [[ $(id 1.0.0) == "$before" ]] || fail 'the tag was not set again'
}

# Such an engine forgets an image with its last name.
test_an_image_whose_tag_becomes_anothers_stays() {
    local before
    load 1.1.0
    docker tag guestbook/web:1.1.0 guestbook/web:1.0.0
    variant 1.0.5
    docker save guestbook/web:1.0.0 | gzip -1 >"$DIR/1.0.5/web.tar.gz"
    sed -i 's|guestbook/web:.*|guestbook/web:1.0.0|' "$DIR/1.0.5/stack.yaml"
    publish 1.0.5
    load 1.0.0
    before=$(id 1.0.0)
    load 1.0.5
    [[ $(id 1.0.0) != "$before" ]] || fail 'the tag is not that of what was loaded'
    (($(files "$before") > 1000000)) || fail 'the image that had the tag is gone'
}

# several LAYOUT: makes an index of an image layout's one image, as it is and for the other architecture, with an attestation.
several() {
    python3 - "$1" <<'PYTHON'
import hashlib, json, sys

folder, kind = sys.argv[1], 'application/vnd.oci.image.'
path = lambda digest: f"{folder}/blobs/sha256/{digest.removeprefix('sha256:')}"
read = lambda digest: json.load(open(path(digest)))

def blob(media_type, document, **more):
    data = json.dumps(document).encode()
    digest = 'sha256:' + hashlib.sha256(data).hexdigest()
    open(path(digest), 'wb').write(data)
    return {'mediaType': media_type, 'digest': digest, 'size': len(data), **more}

index = json.load(open(f'{folder}/index.json'))
[top] = index['manifests']
manifest = read(top['digest'])
config = read(manifest['config']['digest'])
platform = lambda architecture, os='linux': {'os': os, 'architecture': architecture}
here = {'mediaType': top['mediaType'], 'digest': top['digest'], 'size': top['size'], 'platform': platform(config['architecture'])}
config['architecture'] = other = {'amd64': 'arm64', 'arm64': 'amd64'}[config['architecture']]
config['created'] = '2020-01-01T00:00:00Z'
manifest['config'] = blob(kind + 'config.v1+json', config)
there = blob(top['mediaType'], manifest, platform=platform(other))
layers = [blob('application/vnd.in-toto+json', {'_type': 'https://in-toto.io/Statement/v0.1'})]
config = blob(kind + 'config.v1+json', {**platform('unknown', 'unknown'), 'rootfs': {'type': 'layers', 'diff_ids': []}})
said = {'schemaVersion': 2, 'mediaType': kind + 'manifest.v1+json', 'config': config, 'layers': layers}
marks = {'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': here['digest']}
said = blob(kind + 'manifest.v1+json', said, platform=platform('unknown', 'unknown'), annotations=marks)
whole = {'schemaVersion': 2, 'mediaType': kind + 'index.v1+json', 'manifests': [here, there, said]}
index['manifests'] = [blob(kind + 'index.v1+json', whole, annotations=top['annotations'])]
json.dump(index, open(f'{folder}/index.json', 'w'))
PYTHON
}

# pinned PLATFORM: the digest of the archive that is made of the engine's guestbook/web:1.0.0.
pinned() {
    rm -rf "$T/pinned" && mkdir "$T/pinned"
    (cd "$T/pinned" && "$PACK" init --quiet --name web --platform "$1" docker-daemon:guestbook/web:1.0.0 && "$PACK" lock --quiet) >&2 </dev/null
    sha256sum <"$T/pinned/images/web-1.0.0.tar"
}

# Such an engine saves all platforms that it has, and names one of them in Docker's list.
test_an_image_of_several_platforms_becomes_the_archive_of_one() {
    local here=linux/amd64 other=linux/arm64 alone
    [[ $(uname -m) == x86_64 ]] || { here=linux/arm64 other=linux/amd64; }
    empty
    load 1.0.0
    alone=$(pinned "$here")
    mkdir "$T/layout"
    docker save guestbook/web:1.0.0 | tar -x -C "$T/layout"
    several "$T/layout"
    empty
    tar -C "$T/layout" -c blobs index.json oci-layout | docker load
    docker save guestbook/web:1.0.0 | tar -xO index.json | grep -q image.index || fail 'the engine has no index of it'
    [[ $(pinned "$here") == "$alone" ]] || fail 'another archive than that of the image alone'
    [[ $(pinned "$other") != "$alone" ]] || fail 'the same archive for another platform'
    tar -xOf "$T/pinned/images/web-1.0.0.tar" manifest.json | grep -q guestbook/web:1.0.0 || fail 'it has another name'
    pinned "$here" >/dev/null
    (cd "$T/pinned" && "$PACK" download --quiet && "$PACK" bundle --quiet --compression fast) </dev/null
    empty
    "$PACK" load --quiet "$T"/pinned/*.run </dev/null
    (($(files guestbook/web:1.0.0) > 1000000)) || fail 'the files are not there'
}

test_install_update_and_rollback() {
    local before
    empty
    seconds 'installation' install 1.0.0
    whole 1.0.0 0
    grep -q "image:.*$(id 1.0.0)" "$INSTALL/docker-stack.yaml" || fail 'the stack is not by the ID of the engine'
    before=$(page count)
    guest_comes
    seconds 'update' book 1.1.0
    guest_goes
    whole 1.1.0 "$(page count)"
    seconds 'rollback' site rollback --yes
    whole 1.0.0 "$(page count)"
    (($(page count) > before)) || fail 'the database is not that of before the update'
    refused 1 '' book 1.2.0-dies --timeout 30
    [[ $(page version) == 1.0.0 ]] || fail 'the version that ran does not run any more'
    site uninstall --purge --yes
    [[ -z $(docker ps -aq) && -z $(docker image ls -q) ]] || fail "something is left: $(docker image ls)"
}
