# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The connected side, on this host: what the publisher and the field engineer do, over HTTP through a cache
# that lies. Ends with the two sticks. Sourced by ci/drill.

readonly product=dataflux-func
first=$product-1.0.0-x86_64.run second=$product-1.0.1-x86_64.run
nginx_pid='' dockerd_pid=''

phase_connected() {
    stand_ins_provide
    base_provide # whatever comes after this phase needs no network
    if [[ -n ${DRILL_DIR-} && -f $work/sticks/1-first.img && -f $work/sticks/2-second.img ]]; then
        note "the sticks of an earlier drill are used again: $work/sticks"
        return 0
    fi
    pack_provide
    rm -rf -- "$work/cache" "$work/publisher" "$work/carried"
    web_start
    publish 1.0.0
    carry 1.0.0
    publish 1.0.1
    # The cache still has the old objects, under the same addresses, for a year.
    [[ $(curl -fsS "$front/portable/dataflux-func.tar.gz" | sha256sum) == "$(sha256sum <"$stand_ins/1.0.0/dataflux-func.tar.gz")" ]] ||
        die "the cache is not stale, so the drill would show nothing"
    say '  ok  the cache in front of the server now has stale artifacts'
    # The other form in which images travel, so that a site installs both.
    carry 1.0.1 --no-originals
    connected_stop
    sticks_make
}

# Sets stand_ins: the folder of ci/stand-ins. Building them needs a Docker; where none runs, one of our own does.
stand_ins_provide() {
    local waited=0
    note 'stand-in images and engine (the first time takes minutes)'
    if ! docker version >/dev/null 2>&1; then
        mkdir -p "$work/docker"
        export DOCKER_HOST=unix://$work/docker/socket
        dockerd --host "$DOCKER_HOST" --data-root "$work/docker/data" --exec-root "$work/docker/exec" \
            --pidfile "$work/docker/pid" --bridge none --iptables=false --ip6tables=false >"$work/docker/log" 2>&1 &
        dockerd_pid=$!
        until docker version >/dev/null 2>&1; do
            if ((++waited > 120)) || ! kill -0 "$dockerd_pid" 2>/dev/null; then
                die "dockerd does not start" "$(tail -n 5 "$work/docker/log")"
            fi
            sleep 1
        done
    fi
    stand_ins=$(ci/stand-ins 2>>"$transcript") || die "ci/stand-ins failed" "$(tail -n 10 "$transcript")"
    docker_stop
    [[ -f $stand_ins/1.0.1/manifest.json ]] || die "ci/stand-ins made no folders in '$stand_ins'"
    health_slower
}

# A health check that is over in an instant takes a second of the emulated machine, and four of them every two seconds
# more than it has. The publisher of this drill asks the two services less often that nobody waits for, and is patient with
# all; nothing else is changed.
health_slower() {
    local from=$stand_ins version folder name=docker-stack.example.yaml
    stand_ins=$work/stand-ins
    rm -rf -- "$stand_ins"
    for version in 1.0.0 1.0.1; do
        folder=$stand_ins/$version
        mkdir -p "$folder"
        ln -s -t "$folder" -- "$from/$version"/*
        rm -- "$folder/$name" "$folder/manifest.json"
        sed '/^  redis:/,/^$/s/^\( *interval:\) 2s$/\1 20s/; /^  mosquitto:/,/^$/s/^\( *interval:\) 2s$/\1 20s/
            s/^\( *interval:\) 2s$/\1 10s/; s/^\( *timeout:\) 5s$/\1 15s/' "$from/$version/$name" >"$folder/$name"
        jq --argjson size "$(stat -c %s "$folder/$name")" --arg digest "sha256:$(sha256sum <"$folder/$name" | cut -d ' ' -f 1)" \
            '(.artifacts[] | select(.kind == "stack")) |= (.size = $size | .digest = $digest)' \
            "$from/$version/manifest.json" >"$folder/manifest.json"
    done
}

docker_stop() {
    [[ -n $dockerd_pid ]] || return 0
    kill "$dockerd_pid" 2>/dev/null || true
    wait "$dockerd_pid" 2>/dev/null || true
    dockerd_pid=''
    unset DOCKER_HOST
    # It leaves mounts behind: its data, the network namespace of a build.
    unmount_below "$work/docker"
    rm -rf -- "$work/docker"
}

# Two servers: `origin` has the files; `front` keeps whatever it once got for a year and will not be told otherwise.
web_start() {
    local port=18300
    while (: <"/dev/tcp/127.0.0.1/$port" || : <"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; do ((port += 2)); done
    origin=http://127.0.0.1:$port front=http://127.0.0.1:$((port + 1))
    rm -rf -- "$work/www" "$work/nginx"
    mkdir -p "$work/www/portable" "$work/nginx"
    chmod 755 "$work" "$work/www"
    cat >"$work/nginx/conf" <<CONF
user root; # the work folder may be closed to others
worker_processes 1;
daemon off;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events { worker_connections 256; }
http {
    access_log off;
    sendfile on;
    client_body_temp_path $work/nginx/body; fastcgi_temp_path $work/nginx/fastcgi; uwsgi_temp_path $work/nginx/uwsgi;
    scgi_temp_path $work/nginx/scgi; proxy_temp_path $work/nginx/proxy;
    proxy_cache_path $work/nginx/cache keys_zone=front:10m max_size=4g inactive=1y;
    server { listen 127.0.0.1:${origin##*:}; root $work/www; }
    server {
        listen 127.0.0.1:${front##*:};
        location / {
            proxy_pass $origin;
            proxy_cache front;
            proxy_cache_valid 200 206 1y;
            proxy_ignore_headers Cache-Control Expires;
            add_header X-Cache \$upstream_cache_status always;
        }
    }
}
CONF
    nginx -e "$work/nginx/error.log" -c "$work/nginx/conf" &
    nginx_pid=$!
    local waited=0
    until curl -sS -o /dev/null "$front/" 2>/dev/null; do
        if ((++waited > 100)) || ! kill -0 "$nginx_pid" 2>/dev/null; then
            die "nginx does not start" "$(tail -n 3 "$work/nginx/error.log")"
        fi
        sleep 0.2
    done
}

connected_stop() {
    if [[ -n $nginx_pid ]]; then
        kill "$nginx_pid" 2>/dev/null || true
        wait "$nginx_pid" 2>/dev/null || true
        nginx_pid=''
    fi
    docker_stop
}

# publish VERSION: its files replace the others on the server. The publisher's manifest has no pin yet;
# `pack lock` asks the server itself for every artifact, and the pins are those of the files.
publish() {
    local version=$1 manifest=$work/publisher/$1/manifest.json
    mkdir -p "${manifest%/*}"
    rm -rf -- "$work"/www/portable/*
    cp -rL -- "$stand_ins/$version"/* "$work/www/portable/"
    jq --arg base "$origin/portable/" '.artifacts |= map(del(.size, .digest) | .urls |= map($base + .))' \
        "$stand_ins/$version/manifest.json" >"$manifest"
    run_quietly publisher lock "$manifest"
    [[ $(pins "$manifest") == "$(pins "$stand_ins/$version/manifest.json")" ]] || die "pack lock pinned something else than the files"
    say "  ok  $version: pack lock pinned every artifact as it is"
    # Published with addresses relative to it: the engineer gets everything from wherever he gets the manifest.
    # Every version's manifest has an address of its own; what it pins lies where it always lay.
    rm -f -- "$work/www/portable/manifest.json"
    jq --arg base "$origin/portable/" '.artifacts |= map(.urls |= map(ltrimstr($base)))' "$manifest" \
        >"$work/www/portable/manifest-$version.json"
}

pins() { jq -c '.artifacts | map([.name, .size, .digest]) | sort' "$1"; }

# carry VERSION [OPTION...]: the engineer's side, through the cache, into the one folder that there is; the
# options are those of `pack bundle`.
carry() {
    local version=$1 folder=$work/carried/$product-portable bundle=$work/carried/$product-$1-x86_64.run
    shift
    mkdir -p "$work/carried"
    run_quietly engineer download "$front/portable/manifest-$version.json" --dir "$folder"
    say "  ok  $version: pack download through the cache"
    run_quietly engineer verify "$folder"
    run_quietly diff <(cd "$stand_ins/$version" && sha256sum -- *.gz *.tgz *.sh *.yaml *.service) \
        <(cd "$folder" && sha256sum -- *.gz *.tgz *.sh *.yaml *.service)
    say "  ok  $version: pack verify; every file is the publisher's, bit for bit"
    run_quietly engineer bundle "$folder" -o "$bundle" "$@"
    run_quietly engineer verify "$bundle"
    run_quietly env -C "$work/carried" sha256sum -c "${bundle##*/}.sha256"
    say "  ok  $version: pack bundle${*:+ $*}, $(($(stat -c %s "$bundle") / 1000000)) MB of $(($(du -sb -- "$folder" | cut -f 1) / 1000000)) MB; verified"
}

# The first stick has 1.0.0. The second has 1.0.1 twice, once with a single bit changed in its middle.
sticks_make() {
    local damaged=$work/carried/damaged.run size
    cp -- "$work/carried/$second" "$damaged"
    size=$(stat -c %s "$damaged")
    flip_bit "$damaged" $((size / 2))
    [[ $(cmp -l "$work/carried/$second" "$damaged" | wc -l) == 1 ]] || die "not exactly one byte was changed"
    make_stick 1-first PACK100 "$work/carried/$first" "$work/carried/$first.sha256"
    make_stick 2-second PACK101 "$work/carried/$second" "$work/carried/$second.sha256" "$damaged"
    rm -rf -- "$work/carried" "$work/www" "$work/cache" "$work/nginx" "$work/stand-ins"
    say '  ok  two vfat sticks are written'
}

flip_bit() {
    local byte
    byte=$(od -An -v -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Sets pack: the binary under test.
pack_provide() {
    [[ -z ${pack-} ]] || return 0
    pack=${DRILL_PACK-}
    if [[ -z $pack ]]; then
        note 'building pack'
        pack=$(ci/built-pack)
    fi
    [[ -x $pack ]] || die "there is no pack to drill at '$pack'"
}

# pack as the publisher and as the engineer runs it: two people, two caches.
publisher() { XDG_CACHE_HOME=$work/cache/publisher "$pack" "$@"; }
engineer() { XDG_CACHE_HOME=$work/cache/engineer "$pack" "$@"; }

# make_stick NAME LABEL FILE...: a vfat disk image with these files.
make_stick() {
    local image=$work/sticks/$1.img label=$2 bytes
    shift 2
    mkdir -p "$work/sticks"
    bytes=$(du -cb -- "$@" | tail -n 1 | cut -f 1)
    rm -f -- "$image.new"
    truncate -s $((bytes + bytes / 50 + (64 << 20))) "$image.new"
    run_quietly mkfs.vfat -F 32 -n "$label" "$image.new"
    run_quietly mcopy -i "$image.new" -- "$@" ::
    mv -- "$image.new" "$image"
}
