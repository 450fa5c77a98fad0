# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, INSTALL ... are of ci/test-portable and installation.sh
# What runs is what was carried, whatever a registry, a name server or another user of the engine has to say; and a second
# node of the same swarm leaves it alone.

. "$ROOT/tests/portable/installation.sh"

LOCAL=127.0.0.1:15000/dataflux-func

# A version 1.0.5 like 1.0.0, its images under references of the registry on this host, which has other bytes under them.
test_what_was_carried_runs_whatever_a_registry_has() {
    local name
    registry
    variant 1.0.5 1.0.0
    sed -i "s|pubrepo.jiagouyun.com/dataflux-func|$LOCAL|" "$DIR/1.0.5/docker-stack.example.yaml"
    for name in mysql:5.7.26 redis:5.0.7 eclipse-mosquitto:2.0.3 dataflux-func:1.0.0; do
        docker load -q -i "$STAND_INS/1.0.0/${name%:*}.tar.gz"
        docker tag "pubrepo.jiagouyun.com/dataflux-func/$name" "$LOCAL/$name"
        rm "$DIR/1.0.5/${name%:*}.tar.gz"
        docker save "$LOCAL/$name" | gzip -1 >"$DIR/1.0.5/${name%:*}.tar.gz"
    done
    publish 1.0.5
    docker image inspect --format '{{.Id}}' "$LOCAL/dataflux-func:1.0.0" >"$DIR/carried"
    # The registry's are later ones.
    docker load -q -i "$STAND_INS/1.0.1/dataflux-func.tar.gz"
    docker tag pubrepo.jiagouyun.com/dataflux-func/dataflux-func:1.0.1 "$LOCAL/dataflux-func:1.0.0"
    docker push -q "$LOCAL/dataflux-func:1.0.0"
    docker image inspect --format '{{.Id}}' "$LOCAL/dataflux-func:1.0.0" >"$DIR/other"
    docker image ls -q | sort -u | xargs docker image rm -f
    # Here the name server does not answer: a name that is asked for costs minutes.
    grep -q '^nameserver 192.0.2.53$' /etc/resolv.conf || fail 'the test sees nothing: the name server answers'
    seconds 'installation, beside a registry and a name server that does not answer' install 1.0.5 --mini --advertise-addr uplink0
    set_up ''
    for name in server worker beat; do
        [[ $(docker inspect --format '{{.Image}}' "$(container "$name")") == "$(cat "$DIR/carried")" ]] || fail "$name runs another image than was carried"
    done
    ! grep -E 'GET|HEAD' "$DIR/registry/log" | grep manifests | grep dataflux-func/dataflux-func || fail 'the registry was asked'
    verb restart
    [[ $(app version) == 1.0.0 ]] || fail 'another version'
    images_are_those_of_the_receipt
}

test_another_image_that_runs_is_put_right() {
    docker pull -q "$LOCAL/dataflux-func:1.0.0"
    docker service update --no-resolve-image --image "$(cat "$DIR/other")" dataflux-func_server
    eventually 1.0.1 app version
    # Whatever a tag is given to meanwhile does not run.
    verb restart
    [[ $(app version) == 1.0.0 && $(docker inspect --format '{{.Image}}' "$(container server)") == "$(cat "$DIR/carried")" ]] || fail 'it runs what a tag names'
}

# A second host joins the swarm: another engine, in a network and with files of its own.
test_a_second_node_of_the_swarm_leaves_the_stack_alone() {
    local verb
    two() { DOCKER_HOST=unix:///run/two.sock "$@"; }
    # shellcheck disable=SC2016,SC2317 # the inner bash expands them; it is called by name
    on_two() { two unshare --mount --uts bash -c 'hostname two; mount -t tmpfs tmpfs /etc/pack; mount -t tmpfs tmpfs /var/lib/pack; exec "$@"' two "$@"; }
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
    eventually inactive two docker info --format '{{.Swarm.LocalNodeState}}'
    two docker swarm join --advertise-addr 198.51.100.2 --token "$(docker swarm join-token --quiet manager)" 192.0.2.10:2377
    eventually true two docker info --format '{{.Swarm.ControlAvailable}}'
    refused 1 'this swarm has a stack of that name already' on_two sh "$(bundle 1.0.1)" --install-dir "$DIR/second" --port 18099
    grep -q "nodes: *$(hostname)" "$T/said" || fail 'it does not say where'
    for verb in restart stop backup 'uninstall --purge --yes'; do
        # shellcheck disable=SC2086 # several words
        refused 1 'not installed' on_two env PACK=/usr/local/lib/pack/pack bash "$STAND_INS/1.0.0/run-portable.sh" $verb
    done
    # Nor does a task of it go there, where no data is.
    verb restart
    [[ -z $(two docker ps -q) ]] || fail 'a task went to the other node'
    verb status
    docker node demote two
    two docker swarm leave
    verb restart
    verb status
}
