# shellcheck shell=bash
# shellcheck disable=SC2154 # work, system, programs ... are of ci/arm64 and its other parts
# The test of the programs: a bundle for linux/arm64, made here, read and run by them. Sourced by ci/arm64.
#
# The site is a root file system with arm64 BusyBox and nothing else. Its programs run as they would on an
# Arm machine, `uname -m` included: the kernel hands each to QEMU (binfmt_misc).

readonly BINFMT=/proc/sys/fs/binfmt_misc

test_programs() {
    local pack runtime=$programs/pack-site-aarch64 site=$work/site
    pack_provide
    say "== the programs under QEMU"
    test_programs_start
    product_make
    test_same_as_here
    test_damage
    say "== the launcher on a site of arm64 BusyBox"
    site_make
    test_launcher_refuses_this_host
    if emulation_start; then
        test_launcher_runs
        test_load
    fi
    say "every check holds"
}

# --- the checks: each prints a line, and the first that does not hold ends the test

ok() { say "  ok  $*"; }

# ends STATUS WHAT COMMAND...: it ends with this exit status. What it said is in $work/out and $work/err.
ends() {
    local expected=$1 what=$2 status=0
    shift 2
    "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    ((status == expected)) || fails "$what" "exit $status instead of $expected: $*"
    ok "$what"
}

# said TEXT WHAT: the last command said this, in whichever channel.
said() { grep -qF -e "$1" "$work/out" "$work/err" || fails "$2" "'$1' is not in what it said"; ok "$2"; }

# same FILE FILE WHAT
same() { cmp -s -- "$1" "$2" || fails "$3" "$1 and $2 differ"; ok "$3"; }

fails() {
    local what=$1
    shift
    die "does not hold: $what" "$@" "$(tail -n 15 "$work/out" "$work/err")"
}

# --- what is tested with

# Sets pack: of this host, with the runtime for arm64 beside it, where it looks for one.
pack_provide() {
    pack=${ARM64_PACK-}
    if [[ -z $pack ]]; then
        say 'building pack for this host'
        pack=$(ci/built-pack)
    fi
    [[ -x $pack ]] || die "there is no pack to test with at '$pack'"
    mkdir "$work/bin"
    cp -- "$pack" "$work/bin/pack"
    cp -- "$runtime" "$work/bin/"
    pack=$work/bin/pack
}

# Makes $work/probe, the folder of a product with an image for linux/arm64 as `docker save | gzip` gives it, and the
# bundles $work/hello.run and $work/probe.run.
product_make() {
    local probe=$work/probe image=$work/image layer
    mkdir -p "$probe" "$image/files/bin" "$image/save"
    cp -- "$system/root/usr/bin/busybox" "$image/files/bin/busybox"
    ln -s busybox "$image/files/bin/sh"
    layer=$(tar_of "$image/files" . | tee "$image/layer.tar" | sha256sum | cut -d ' ' -f 1)
    mkdir "$image/save/$layer"
    mv -- "$image/layer.tar" "$image/save/$layer/layer.tar"
    printf '{"architecture":"arm64","os":"linux","config":{"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$layer" >"$image/config"
    image_id=$(sha256sum <"$image/config" | cut -d ' ' -f 1)
    mv -- "$image/config" "$image/save/$image_id.json"
    printf '[{"Config":"%s.json","RepoTags":["probe:1.0.0"],"Layers":["%s/layer.tar"]}]\n' "$image_id" "$layer" >"$image/save/manifest.json"
    tar_of "$image/save" manifest.json "$image_id.json" "$layer" >"$image/probe.tar"
    # Compressed in two ways, of which one is written again by its own rules, the other predicted and corrected.
    gzip -n -6 <"$image/probe.tar" >"$probe/probe.tar.gz"
    gzip -n -1 <"$image/probe.tar" >"$probe/fast.tar.gz"

    cat >"$probe/run.sh" <<'SCRIPT'
#!/bin/sh
set -eu
"$PACK" load "$PACK_BUNDLE" probe.tar.gz
echo "installed on $(uname -m): $*"
SCRIPT
    {
        printf '{ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "run": "run.sh", "artifacts": [\n'
        printf '{ "name": "run.sh", "kind": "script", %s },\n' "$(pin run.sh)"
        printf '{ "name": "fast.tar.gz", "kind": "image", "platform": "linux/arm64", %s },\n' "$(pin fast.tar.gz)"
        printf '{ "name": "probe.tar.gz", "kind": "image", "platform": "linux/arm64", %s }\n] }\n' "$(pin probe.tar.gz)"
    } >"$probe/manifest.json"

    ends 0 'this host packs the example for linux/arm64' \
        "$pack" bundle examples/hello --platform linux/arm64 -o "$work/hello.run"
    ends 0 'and a product with an image' \
        "$pack" bundle "$probe" --platform linux/arm64 -o "$work/probe.run"
}

tar_of() { tar -C "$1" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=ustar -c "${@:2}"; }

pin() {
    printf '"urls": ["%s"], "size": %s, "digest": "sha256:%s"' "$1" "$(stat -c %s "$probe/$1")" \
        "$(sha256sum "$probe/$1" | cut -d ' ' -f 1)"
}

site_make() {
    local applet
    mkdir -p "$site"/{bin,dev,proc,tmp,media,engine}
    cp -- "$system/root/usr/bin/busybox" "$site/bin/busybox"
    # The names are those of the arm64 one itself.
    qemu-aarch64-static "$site/bin/busybox" --list >"$work/out"
    while IFS= read -r applet; do [[ -e $site/bin/$applet ]] || ln -s busybox "$site/bin/$applet"; done <"$work/out"
    cp -- "$work/hello.run" "$work/probe.run" "$site/media/"
    mount -t proc proc "$site/proc"
    : >"$site/dev/null"
    mount --bind /dev/null "$site/dev/null"
}

# The kernel is to give arm64 programs to QEMU, which it opens now, so that it need not be inside the site (F), and with
# the name that each was started by (P), since that tells BusyBox what to be. The newest rule wins, so this one
# does not ask whether the machine has another. Fails where the kernel takes none.
emulation_start() {
    local magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    [[ -e $BINFMT/register ]] || mount -t binfmt_misc binfmt_misc "$BINFMT" 2>/dev/null || true
    registered=yes
    emulation_stop # that of a run that was killed
    if ! printf ':pack-arm64:M::%s:%s:%s:FP' "$magic" "$mask" "$(command -v qemu-aarch64-static)" 2>/dev/null >"$BINFMT/register"; then
        [[ ${CI-} != true ]] || die 'CI=true, yet the launcher would be left out: this kernel gives no program to QEMU (binfmt_misc)'
        say '  skipped: the launcher: this kernel gives no program to QEMU (binfmt_misc); the programs alone were run, as above'
        return 1
    fi
    registered=yes
    ends 0 'the site is an Arm machine' on_site uname -m
    [[ $(<"$work/out") == aarch64 ]] || fails 'uname -m says aarch64'
}

registered=no
emulation_stop() {
    [[ $registered == no || ! -e $BINFMT/pack-arm64 ]] || echo -1 >"$BINFMT/pack-arm64"
    registered=no
}

on_site() { env -i PATH=/bin "$(command -v chroot)" "$site" "$@"; }

# --- what must hold

test_programs_start() {
    local program
    for program in "$programs"/*; do
        ends 0 "${program##*/} starts" qemu-aarch64-static "$program" --version
        said "$("$pack" --version | cut -d ' ' -f 2)" 'and has the version of this tree'
    done
}

# What the runtime says of a bundle, and gives back of it, is what this host's pack says and gives.
test_same_as_here() {
    local name
    for name in hello probe; do
        ends 0 "$name: the runtime verifies it" qemu-aarch64-static "$runtime" verify --json "$work/$name.run"
        said '"ok": true' 'and says so'
        cp -- "$work/out" "$work/arm64.json"
        "$pack" verify --quiet --json "$work/$name.run" >"$work/here.json"
        same "$work/arm64.json" "$work/here.json" 'in the words of this host'
        qemu-aarch64-static "$runtime" inspect --quiet --json "$work/$name.run" >"$work/arm64.json"
        "$pack" inspect --quiet --json "$work/$name.run" >"$work/here.json"
        same "$work/arm64.json" "$work/here.json" 'it inspects it as this host does'
        ends 0 'it extracts it' qemu-aarch64-static "$runtime" extract "$work/$name.run" "$work/$name.files"
    done
    for name in hello.sh calendar.tsv; do
        same "examples/hello/$name" "$work/hello.files/$name" "$name is as it was"
    done
    for name in probe.tar.gz fast.tar.gz; do
        same "$work/probe/$name" "$work/probe.files/$name" "$name is as it was, compression included"
    done
    # QEMU makes a fork of a vfork, and so a program is not told that the other one is missing: the words for that case
    # are not heard here. Those for an engine that does not answer are.
    ends 1 'it loads into nothing: an error' without_docker load "$work/probe.run"
    said 'hint: see that the engine runs' 'with a hint'
    mkdir -p "$work/nowhere"
    printf '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n' >"$work/nowhere/docker"
    chmod 755 "$work/nowhere/docker"
    ends 1 'it loads into an engine that is down: an error' without_docker load "$work/probe.run"
    said 'engine: Cannot connect to the Docker daemon' 'which has the words of docker'
    said 'docker info' 'and says what to do'
}

# without_docker WORDS...: the runtime on a host whose only program is the docker of $work/nowhere, if there is one.
without_docker() { env -i PATH="$work/nowhere" "$(command -v qemu-aarch64-static)" "$runtime" "$@"; }

test_damage() {
    local size
    size=$(stat -c %s "$work/probe.run")
    cp -- "$work/probe.run" "$work/damaged.run"
    # In the payload, which the image makes 1 MB large: the launcher sees nothing of it.
    printf 'damage' | dd of="$work/damaged.run" bs=1 seek=$((size - 300000)) conv=notrunc status=none
    ends 3 'a damaged bundle is refused with exit 3' qemu-aarch64-static "$runtime" verify "$work/damaged.run"
}

test_launcher_refuses_this_host() {
    ends 1 'the launcher refuses this host' sh "$work/hello.run"
    said 'expected: aarch64' 'and says which machine it is for'
}

test_launcher_runs() {
    ends 0 'the launcher runs the example' on_site sh /media/hello.run Ada 'two words'
    said 'Hello, Ada!' 'its script greets'
    said 'out of the bundle /media/hello.run' 'from the bundle'
    said '  two words' 'its arguments arrive, each in one piece'
    said "$(sha256sum <examples/hello/calendar.tsv | cut -d ' ' -f 1)" 'and so does its calendar'
    ends 0 'pack verify works behind the launcher' on_site sh /media/hello.run pack verify
    cp -- "$work/damaged.run" "$site/media/"
    ends 3 'the launcher refuses a damaged bundle with exit 3' on_site sh /media/damaged.run
    ! grep -q 'installed on' "$work/out" || fails 'nothing of it is run'
    ok 'nothing of it is run'
    nothing_left
}

test_load() {
    ends 1 'a site without an engine: an error' on_site sh /media/probe.run
    said 'hint: see that the engine runs' 'with a hint'
    ! grep -q 'installed on' "$work/out" || fails 'the script ends there'
    ok 'the script ends there'
    engine_make
    ends 0 'a site with an engine: the script loads its image' on_site sh /media/probe.run a b
    said 'installed on aarch64: a b' 'and goes on'
    [[ $(<"$site/engine/id") == "sha256:$image_id" ]] || fails 'the engine has the image' "$(<"$site/engine/id")"
    ok 'the engine has the image'
    nothing_left
}

nothing_left() {
    local left
    left=$(find "$site/tmp" -mindepth 1)
    [[ -z $left ]] || fails 'nothing is left in /tmp' "$left"
    ok 'nothing is left in /tmp'
}

# A `docker` that takes one image and afterwards tells of it what it has read itself.
engine_make() {
    cat >"$site/bin/docker" <<'DOCKER'
#!/bin/sh
set -eu
cd /engine
case "$1 ${2-}" in
    'load --quiet')
        tar -x
        config=$(sed 's/.*"Config":"\([^"]*\)".*/\1/' manifest.json)
        layer=$(sed 's/.*"Layers":\["\([^"]*\)"\].*/\1/' manifest.json)
        sha256sum <"$layer" | { read -r sum _ && printf '{"Layers":["sha256:%s"]}' "$sum"; } >layers
        sha256sum <"$config" | { read -r sum _ && printf 'sha256:%s' "$sum"; } >id
        ;;
    version*) ;;
    'image inspect')
        for image; do :; done
        [ "$image" = probe:1.0.0 ] && [ -f id ] && printf '%s %s\n' "$(cat id)" "$(cat layers)"
        ;;
    'image ls' | 'volume ls' | 'info --format') ;;
    *) exit 1 ;;
esac
DOCKER
    chmod 755 "$site/bin/docker"
}
