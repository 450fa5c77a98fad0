# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, DIR ... are of ci/test-site
# From a Compose file to a running product, as a new user does it: with the commands of the README and no other. The images
# are in a registry on this machine; the engine has none of them, and at the end nothing but the bundle is left.

. "$ROOT/tests/site/guestbook.sh"

REGISTRY=127.0.0.1:5000

# image NAME TEXT: a web server that says TEXT, in the registry.
image() {
    local tree=$DIR/tree
    rm -rf -- "$tree" && mkdir -p "$tree"/{bin,www,data}
    # shellcheck disable=SC2046 # what it needs to run, a file a line
    cp -L --parents /bin/busybox $(ldd /bin/busybox | grep -o '/[^ ]*') "$tree"
    ln -s busybox "$tree/bin/sh"
    printf '%s\n' "$2" >"$tree/www/index.html"
    tar -C "$tree" -c . | docker import --change 'CMD ["busybox", "httpd", "-f", "-p", "80", "-h", "/www"]' - "$1" >/dev/null
    docker push --quiet "$1"
}

# forgotten: the engine has no image any more.
forgotten() { docker image ls --all --quiet | sort -u | xargs --no-run-if-empty docker image rm --force >/dev/null; }

# commands README: what its "Five minutes" types, a line each.
commands() {
    awk '/^## (Five minutes|五分钟)/ { here = 1 } here && /^```/ { if (inside) exit; inside = 1; next } inside' "$ROOT/$1" | sed 's/ *#.*//'
}

test_a_registry_has_images() {
    mkdir "$DIR/registry"
    printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: %s/registry } }\nhttp: { addr: "%s" }\n' "$DIR" "$REGISTRY" >"$DIR/registry.yml"
    setsid docker-registry serve "$DIR/registry.yml" >"$DIR/registry.log" 2>&1 &
    echo $! >"$DIR/registry.pid"
    eventually '{}' curl -fsS "http://$REGISTRY/v2/"
    image "$REGISTRY/team/shop:1.0" 'the shop is open'
    image "$REGISTRY/team/counter:2.1" '0 visitors'
    docker tag "$REGISTRY/team/counter:2.1" team/built-here:1
    docker image rm "$REGISTRY/team/shop:1.0" "$REGISTRY/team/counter:2.1" >/dev/null
}

test_the_readmes_commands_are_at_most_five_and_the_same() {
    commands README.md >"$DIR/commands"
    cat "$DIR/commands"
    (($(wc -l <"$DIR/commands") >= 3 && $(wc -l <"$DIR/commands") <= 5)) || fail 'these are not three to five commands'
    commands README.zh-CN.md | diff "$DIR/commands" - || fail 'the Chinese README types something else'
}

test_a_compose_file_becomes_a_running_product() {
    local line
    mkdir "$DIR/shop" "$DIR/bin"
    ln -s "$PACK" "$DIR/bin/pack"
    export PATH=$DIR/bin:$PATH HOME=$DIR
    cd "$DIR/shop" || fail 'there is no folder'
    cat >docker-compose.yaml <<YAML
services:
  shop:
    image: $REGISTRY/team/shop:\${SHOP_TAG:-1.0}
    restart: unless-stopped
    depends_on: [counter]
    ports: # of the host itself: a kernel without IPVS has no other
      - { target: 80, published: "\${SHOP_PORT:-18080}", mode: host }
    environment:
      GREETING: \${GREETING:-hello}
  counter:
    image: $REGISTRY/team/counter:2.1
    restart: unless-stopped
    volumes: [visits:/data]
volumes:
  visits: {}
YAML
    while read -r line; do
        if [[ $line == 'sh '* ]]; then # on site there is nothing but the bundle
            kill "$(<"$DIR/registry.pid")"
            forgotten
            mkdir "$DIR/site"
            mv -- *.run "$DIR/site"
            cd "$DIR/site" || fail 'there is no folder'
        fi
        echo "\$ $line"
        bash -c "$line" </dev/null || fail "'$line' ended with $?"
    done <"$DIR/commands"
    eventually 'the shop is open' page ''
    site status || fail "status ends with $?"
    [[ $(docker ps --format '{{.Names}}' | sed 's/\..*//' | sort | paste -s -d ' ') == 'shop_counter shop_shop' ]] || fail "$(docker ps)"
}
