# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Images out of a registry on this machine, against skopeo and the engine: the four that ci/stand-ins makes. The rows of the
# engine need one that answers.

registry=$dir/registry
pulled=(mysql redis eclipse-mosquitto dataflux-func)

# registry_of FOLDER...: a registry with the images of these versions, and one door before it that lets through 20 MiB/s a
# connection and writes down what passed.
registry_of() {
    local folder name
    registry_port=$(free_port $((slow_port + 1)))
    door_port=$(free_port $((registry_port + 1)))
    mkdir "$registry" "$registry/nginx"
    cat >"$registry/config.yml" <<CONF
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $registry/data}}
http: {addr: "127.0.0.1:$registry_port"}
CONF
    docker-registry serve "$registry/config.yml" >"$registry/log" 2>&1 &
    echo $! >"$dir/registry.pid"
    cat >"$registry/nginx.conf" <<CONF
$( ((EUID)) || echo 'user root;')
pid $dir/registry-door.pid;
error_log $registry/nginx/error.log;
events { worker_connections 512; }
http {
    log_format sent '\$request_method \$status \$body_bytes_sent \$uri';
    access_log $registry/sent sent;
    client_body_temp_path $registry/nginx; proxy_temp_path $registry/nginx; fastcgi_temp_path $registry/nginx;
    uwsgi_temp_path $registry/nginx; scgi_temp_path $registry/nginx;
    proxy_set_header Host \$http_host; proxy_set_header Range \$http_range;
    server { listen 127.0.0.1:$door_port; limit_rate 20m; location / { proxy_pass http://127.0.0.1:$registry_port; } }
}
CONF
    nginx -e "$registry/nginx/error.log" -c "$registry/nginx.conf" || die "nginx does not start: $(tail -n 3 "$registry/nginx/error.log")"
    while ! (: <"/dev/tcp/127.0.0.1/$registry_port") 2>/dev/null; do sleep 0.1; done
    for folder; do
        for name in "${pulled[@]}"; do
            gzip -dc "$folder/$name.tar.gz" >"$registry/image.tar"
            skopeo copy --quiet --dest-tls-verify=false "docker-archive:$registry/image.tar" \
                "docker://127.0.0.1:$registry_port/bench/$name:${folder##*/}" >"$dir/output" 2>&1 ||
                die "skopeo: $(tail -n 3 "$dir/output")"
        done
    done
}

# pulled_manifest PORT VERSION: the manifest of the images behind this port.
pulled_manifest() {
    local name comma=
    printf '{ "schemaVersion": 1, "name": "bench", "version": "%s", "artifacts": [' "$2"
    for name in "${pulled[@]}"; do
        printf '%s\n  { "name": "%s.tar", "kind": "image", "platform": "linux/amd64", "urls": ["oci://127.0.0.1:%d/bench/%s:%s"] }' \
            "$comma" "$name" "$1" "$name" "$2"
        comma=,
    done
    printf '\n] }\n'
}

nothing_pulled() {
    rm -rf -- "$registry/mine" "$registry/theirs" "$registry/cache"
    mkdir "$registry/mine" "$registry/theirs"
}
# pack_pulls PORT VERSION
pack_pulls() {
    pulled_manifest "$1" "$2" >"$registry/mine/manifest.json"
    XDG_CACHE_HOME=$registry/cache pack lock "$registry/mine/manifest.json" &&
        XDG_CACHE_HOME=$registry/cache pack download "$registry/mine/manifest.json" --dir "$registry/mine/folder"
}
skopeo_pulls() {
    local name
    for name in "${pulled[@]}"; do
        skopeo copy --quiet --src-tls-verify=false "docker://127.0.0.1:$1/bench/$name:1.0.0" \
            "docker-archive:$registry/theirs/$name.tar:bench/$name:1.0.0"
    done
}
engine_pulls() {
    local name
    for name in "${pulled[@]}"; do
        docker pull --quiet "127.0.0.1:$1/bench/$name:1.0.0" && docker save "127.0.0.1:$1/bench/$name:1.0.0" | gzip >"$registry/theirs/$name.tar.gz"
    done
}

before_registry_pack() { nothing_pulled; }
run_registry_pack() { pack_pulls "$registry_port" 1.0.0; }
before_registry_skopeo() { nothing_pulled; }
run_registry_skopeo() { skopeo_pulls "$registry_port"; }
before_registry_engine() {
    local name
    nothing_pulled
    for name in "${pulled[@]}"; do docker image rm "127.0.0.1:$registry_port/bench/$name:1.0.0" >/dev/null 2>&1 || true; done
}
run_registry_engine() { engine_pulls "$registry_port"; }
before_registry_slow_pack() { nothing_pulled; }
run_registry_slow_pack() { pack_pulls "$door_port" 1.0.0; }
before_registry_slow_skopeo() { nothing_pulled; }
run_registry_slow_skopeo() { skopeo_pulls "$door_port"; }

# second_version: the bytes that a version transfers after the one before it, against those of its new blobs.
second_version() {
    local new sent
    nothing_pulled
    pack_pulls "$door_port" 1.0.0
    new=$(comm -13 <(registry_blobs 1.0.0) <(registry_blobs 1.0.1) | awk '{ sum += $2 } END { print sum + 0 }')
    : >"$registry/sent"
    pack_pulls "$door_port" 1.0.1
    sent=$(awk '$4 ~ "/blobs/" { sum += $3 } END { print sum + 0 }' "$registry/sent")
    line 'bytes of blobs that a second version transfers; those of its new blobs' "$sent" "$new" \
        "$(awk -v a="$sent" -v b="$new" 'BEGIN { printf "%.3f", a / b }')" '' ≤ 1.0
}
# registry_blobs VERSION: the digests and sizes of all its blobs.
registry_blobs() {
    local name
    for name in "${pulled[@]}"; do
        skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$registry_port/bench/$name:$1" |
            jq -r '[.config] + .layers | .[] | "\(.digest) \(.size)"'
    done | sort -u
}

if ! command -v docker-registry skopeo jq >/dev/null || [[ $(command -v docker-registry skopeo jq | wc -l) != 3 ]]; then
    skipped 'images from a registry' 'docker-registry, skopeo or jq is not installed; see ci/install'
elif ! made=$(XDG_CACHE_HOME=$caches ci/stand-ins 2>"$dir/output"); then
    skipped 'images from a registry' "ci/stand-ins has not made its folder: $(tail -n 1 "$dir/output")"
else
    registry_of "$made/1.0.0" "$made/1.0.1"
    race registry_pack registry_skopeo
    versus '`pack lock`, `pack download` of four images; `skopeo copy … docker-archive:`' registry_pack registry_skopeo 0.5
    if docker version >/dev/null 2>&1; then
        race registry_pack registry_engine
        versus 'the same; `docker pull`, `docker save \| gzip`' registry_pack registry_engine 0.5
        before_registry_engine
    else
        skipped 'the same; `docker pull`, `docker save \| gzip`' 'no engine answers'
    fi
    race registry_slow_pack registry_slow_skopeo
    versus 'the same at 20 MiB/s a connection; `skopeo copy`' registry_slow_pack registry_slow_skopeo 0.4
    second_version
    nothing_pulled
    pulled_manifest "$registry_port" 1.0.0 >"$registry/mine/manifest.json"
    export XDG_CACHE_HOME=$registry/cache
    in_memory 'peak memory of `pack lock`, four images' 64 "$BENCH_PACK" -q lock "$registry/mine/manifest.json"
    in_memory 'peak memory of `pack download` of them' 64 "$BENCH_PACK" -q download "$registry/mine/manifest.json" --dir "$registry/mine/folder"
    export XDG_CACHE_HOME=$dir/cache
    stop "$dir/registry.pid"
    rm -rf -- "$registry"
fi
