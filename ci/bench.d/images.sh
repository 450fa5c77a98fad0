# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Bundles of images, against makeself and `docker load`, on the folder that ci/stand-ins makes. Loading needs
# root and Docker, for an engine of its own that nothing else uses.

# smaller WHAT OURS THEIRS TARGET: the ratio of two files' sizes is at most TARGET.
smaller() {
    local ours theirs
    ours=$(stat -c %s "$2") theirs=$(stat -c %s "$3")
    line "$1" "$(megabytes "$ours")" "$(megabytes "$theirs")" \
        "$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.3f", a / b }')" '' ≤ "$4"
}
megabytes() { awk -v b="$1" 'BEGIN { printf "%.1f MB", b / 1e6 }'; }

# --- the folder; a quick run has only two of its images

images=$dir/images
images_folder() {
    local made archive comma=
    made=$(XDG_CACHE_HOME=$caches ci/stand-ins 2>"$dir/output") || return 1
    mkdir "$images"
    if ((mib >= 300)); then
        cp -- "$made"/1.0.0/* "$images"
    else
        {
            printf '{ "schemaVersion": 1, "name": "bench", "version": "1.0.0", "artifacts": ['
            for archive in redis.tar.gz eclipse-mosquitto.tar.gz; do
                cp -- "$made/1.0.0/$archive" "$images"
                printf '%s\n  { "name": "%s", "kind": "image", "urls": ["%s"], "size": %d, "digest": "sha256:%s" }' "$comma" \
                    "$archive" "$archive" "$(stat -c %s "$images/$archive")" "$(sha256sum <"$images/$archive" | cut -d ' ' -f 1)"
                comma=,
            done
            printf '\n] }\n'
        } >"$images/manifest.json"
    fi
    (cd "$images" && sha256sum -- *) >"$dir/IMAGES"
}

# --- making a bundle

run_images_makeself() { makeself "$images" "$dir/makeself.run" bench true; }
run_images_bundle() { pack bundle "$images" --output "$dir/images.run"; }
run_images_exported() { pack bundle "$images" --no-originals --output "$dir/exported.run"; }

images_made() {
    race images_makeself images_bundle images_exported
    rm -f -- "$dir"/exported.run*
    smaller 'size of `pack bundle`; `makeself`' "$dir/images.run" "$dir/makeself.run" 0.56
    pack bundle "$images" --compression max --output "$dir/max.run"
    smaller 'size of `pack bundle --compression max`; `makeself`' "$dir/max.run" "$dir/makeself.run" 0.48
    rm -f -- "$dir"/max.run*
    versus '`pack bundle`; `makeself`' images_bundle images_makeself 4
    versus '`pack bundle --no-originals`; `makeself`' images_exported images_makeself 1.3
}

# --- checking and unpacking it

run_images_verify() { pack verify "$dir/images.run"; }
run_images_sha256sum() { (cd "$images" && sha256sum -- *); }

images_checked() {
    race images_verify images_sha256sum
    versus '`pack verify x.run` with images; `sha256sum` of the folder' images_verify images_sha256sum 0.1
    in_memory 'peak memory of `pack extract` with images' 300 "$BENCH_PACK" -q extract "$dir/images.run" "$dir/out"
    (cd "$dir/out" && sha256sum --check --quiet "$dir/IMAGES") || die 'what was extracted is wrong'
    rm -rf -- "$dir/out"
}

# --- loading it into an empty engine

images_engine() {
    export DOCKER_HOST=unix://$dir/docker.sock
    dockerd --host "$DOCKER_HOST" --data-root "$dir/docker" --exec-root "$dir/docker.exec" --pidfile "$dir/docker.pid" \
        --bridge none --iptables=false --ip6tables=false >"$dir/docker.log" 2>&1 &
    local round
    for ((round = 0; round < 300; round++)); do
        if docker version >"$dir/output" 2>&1; then return; fi
        kill -0 $! 2>/dev/null || break
        sleep 0.2
    done
    die "dockerd does not start: $(tail -n 5 "$dir/docker.log")"
}
images_emptied() {
    docker image prune --all --force >"$dir/output" 2>&1 || die "cannot empty the engine: $(<"$dir/output")"
    [[ -z $(docker image ls --quiet) ]] || die 'the engine has images still'
    rm -rf -- "$dir/out"
}
before_images_load() { images_emptied; }
run_images_load() { pack load "$dir/images.run"; }
before_images_docker_load() { images_emptied; }
run_images_docker_load() {
    local archive
    sh "$dir/makeself.run" --quiet --noexec --target "$dir/out"
    for archive in mysql redis eclipse-mosquitto dataflux-func; do
        [[ ! -f $dir/out/$archive.tar.gz ]] || docker load --quiet --input "$dir/out/$archive.tar.gz"
    done
}

images_loaded() {
    images_engine
    race images_load images_docker_load
    versus '`pack load x.run`; `makeself` extraction, `docker load` of each' images_load images_docker_load 0.5
    images_emptied
    in_memory 'peak memory of `pack load x.run`' 300 "$BENCH_PACK" -q load "$dir/images.run"
    printf 'Docker %s, storage %s\n' "$(docker version --format '{{.Server.Version}}')" "$(docker info --format '{{.Driver}}')" >&2
    stop "$dir/docker.pid"
    unset DOCKER_HOST
}

if ! command -v makeself >/dev/null; then
    skipped 'bundles of images' 'makeself is not installed; see ci/install'
elif ! images_folder; then
    skipped 'bundles of images' "ci/stand-ins has not made its folder: $(tail -n 1 "$dir/output")"
else
    images_made
    images_checked
    if ((EUID == 0)) && command -v docker dockerd >/dev/null; then
        images_loaded
    else
        skipped '`pack load`' 'needs root and Docker'
    fi
fi
rm -rf -- "$images" "$dir"/images.run* "$dir/makeself.run" "$dir/out"
