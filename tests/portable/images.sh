# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# The run script on an engine of its own: what runs is what was carried, whatever a registry, a name server or another
# user of the engine has to say.

. "$ROOT/tests/portable/installation.sh"

LOCAL=127.0.0.1:15000/dataflux-func

# The folder 1.0.0, its images under references of the registry on this host, which has other bytes under them.
test_what_was_carried_runs_whatever_a_registry_has() {
    local folder=$DIR/local name seconds
    mkdir -p "$REGISTRY"
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: 127.0.0.1:15000}\n' "$REGISTRY" >"$REGISTRY/config.yml"
    docker-registry serve "$REGISTRY/config.yml" >"$REGISTRY/log" 2>&1 &
    echo $! >"$REGISTRY/pid"
    eventually 200 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:15000/v2/
    folder 1.0.0
    cp -a "$OLD" "$folder"
    sed -i "s|pubrepo.jiagouyun.com/dataflux-func|$LOCAL|" "$folder/docker-stack.example.yaml"
    pin "$folder" docker-stack.example.yaml
    for name in mysql:5.7.26 redis:5.0.7 dataflux-func:1.0.0; do
        docker load -q -i "$folder/${name%:*}.tar.gz"
        docker tag "pubrepo.jiagouyun.com/dataflux-func/$name" "$LOCAL/$name"
        docker save "$LOCAL/$name" | gzip -1 >"$folder/${name%:*}.tar.gz"
        pin "$folder" "${name%:*}.tar.gz"
    done
    docker image inspect --format '{{.Id}}' "$LOCAL/dataflux-func:1.0.0" >"$DIR/carried"
    # The registry's are later ones.
    docker load -q -i "$STAND_INS/1.0.1/dataflux-func.tar.gz"
    docker tag pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.1 "$LOCAL/dataflux-func:1.0.0"
    docker push -q "$LOCAL/dataflux-func:1.0.0"
    docker image ls -q | sort -u | xargs docker image rm -f
    seconds=$SECONDS
    install "$folder" --port "$PORT" --mini
    seconds=$((SECONDS - seconds))
    eventually 1.0.0 app version
    for name in server worker beat; do
        [[ $(docker inspect --format '{{.Image}}' "$(container "$name")") == "$(cat "$DIR/carried")" ]] || fail "$name runs another image than was carried"
    done
    ! grep -E 'GET|HEAD' "$REGISTRY/log" | grep manifests | grep dataflux-func/dataflux-func || fail 'the registry was asked'
    # Here the name server does not answer: a name that is asked for costs minutes.
    grep -q '^nameserver 192.0.2.53$' /etc/resolv.conf || fail 'the test sees nothing: the name server answers'
    ((seconds < 150)) || fail "it took $seconds s"
    verb restart
    eventually 1.0.0 app version
}

test_another_image_that_runs_is_noticed() {
    docker pull -q "$LOCAL/dataflux-func:1.0.0"
    docker service update --no-resolve-image --image "$(docker image inspect --format '{{.Id}}' "$LOCAL/dataflux-func:1.0.0")" dataflux-func_server
    eventually 1.0.1 app version
    refused 1 'not the image that was loaded: server' verb status
    refused 1 'BAD   what runs is what was loaded' verb doctor
    verb restart
    eventually 1.0.0 app version
    verb status
}

# Somebody else loads or pulls under the same reference, just then.
test_another_image_under_the_reference_is_refused() {
    # shellcheck disable=SC2016 # the fake expands it
    printf '#!/bin/bash\n/usr/bin/docker "$@" || exit\n[[ $1 != load ]] || /usr/bin/docker tag "%s" "%s"\n' \
        "$LOCAL/redis:5.0.7" "$LOCAL/mysql:5.7.26" >/usr/local/bin/docker
    chmod +x /usr/local/bin/docker
    sed -i 's/"manifest": "sha256:/&0/' "$INSTALL/receipt.json" # so that all is loaded
    refused 3 "the engine has another image under $LOCAL/mysql:5.7.26" install "$DIR/local"
    rm /usr/local/bin/docker
    [[ $(app version) == 1.0.0 ]] || fail 'what ran was touched'
    install "$DIR/local"
}

# A second host joins the swarm: another engine, in a network of its own.
test_a_second_node_of_the_swarm_leaves_the_stack_alone() {
    local verb two=(env DOCKER_HOST=unix:///run/two.sock unshare --uts bash -c 'hostname two && exec bash "$@"' two)
    ip netns add two
    ip link add link1 type veth peer name link2 netns two
    ip addr add 198.51.100.1/24 dev link1
    ip link set link1 up
    ip -n two link set lo up
    ip -n two addr add 198.51.100.2/24 dev link2
    ip -n two link set link2 up
    ip -n two route add default via 198.51.100.1
    # shellcheck disable=SC2016 # the inner bash expands it
    nsenter --net=/run/netns/two unshare --uts bash -c 'hostname two && exec dockerd --host unix:///run/two.sock --data-root "$0/two" --exec-root /run/two \
        --pidfile /run/two.pid --bridge none --iptables=false' "$DIR" >"$T/two.log" 2>&1 &
    trap 'kill "$(cat /run/two.pid)"; wait; ip netns del two' EXIT
    eventually inactive env DOCKER_HOST=unix:///run/two.sock docker info --format '{{.Swarm.LocalNodeState}}'
    DOCKER_HOST=unix:///run/two.sock docker swarm join --advertise-addr 198.51.100.2 --token "$(docker swarm join-token --quiet manager)" 192.0.2.10:2377
    eventually true env DOCKER_HOST=unix:///run/two.sock docker info --format '{{.Swarm.ControlAvailable}}'
    refused 1 "the node $(hostname) of this swarm has the stack" "${two[@]}" "$DIR/local/run-portable.sh" --install-dir "$DIR/second"
    for verb in restart stop backup 'uninstall --purge --yes'; do
        # shellcheck disable=SC2086 # several words
        refused 1 "the node $(hostname) of this swarm has the stack" "${two[@]}" "$INSTALL/run-portable.sh" $verb
    done
    verb status # it is where it was
    docker node demote two
    DOCKER_HOST=unix:///run/two.sock docker swarm leave
    verb status
}
