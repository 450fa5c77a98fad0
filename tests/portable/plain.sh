# shellcheck shell=bash
# The run script without Docker: options, plans, findings, rendering, secrets, files. Where a test needs a
# host in another state (a silent Docker, two network cards), a fake of that one command is put on PATH.
# `ci/test-portable plain` runs this file.

SCRIPT=$ROOT/portable/run-portable.sh
FOLDER=$T/folder
INSTALL=$T/install/func

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

# A portable folder whose archives are small files with true digests, and a host without Docker: PATH has
# every command of this machine but these.
make_folder() {
    local name entries=''
    mkdir -p "$FOLDER" "$T/bin" "$T/engine/docker"
    cp "$SCRIPT" "$ROOT/portable/docker.service" "$ROOT/portable/docker-stack.example.yaml" "$FOLDER/"
    for name in mysql redis eclipse-mosquitto dataflux-func; do echo "$name" >"$FOLDER/$name.tar.gz"; done
    printf '#!/bin/sh\necho Docker version 24.0.9, build fake\n' >"$T/engine/docker/dockerd"
    chmod +x "$T/engine/docker/dockerd"
    tar -C "$T/engine" -czf "$FOLDER/docker-18.06.3-ce.tgz" docker
    for name in mysql.tar.gz redis.tar.gz eclipse-mosquitto.tar.gz dataflux-func.tar.gz docker-18.06.3-ce.tgz docker.service docker-stack.example.yaml; do
        entries+="${entries:+, }{ \"name\": \"$name\", \"kind\": \"file\", \"size\": $(stat -c %s "$FOLDER/$name"), \"digest\": \"sha256:$(sha256sum "$FOLDER/$name" | cut -d ' ' -f 1)\" }"
    done
    printf '{ "schemaVersion": 1, "name": "dataflux-func", "version": "1.0.0", "artifacts": [ %s ] }\n' "$entries" >"$FOLDER/manifest.json"
    cp -s -n /usr/sbin/* /usr/bin/* "$T/bin/" 2>/dev/null || true
    rm -f "$T"/bin/docker* "$T"/bin/podman* "$T/bin/getenforce" "$T/bin/firewall-cmd"
    fake iptables 'exit 0'
    fake nproc 'echo 4'
    fake ip 'case "$*" in *addr*) echo "2: eth0    inet 192.0.2.10/24 scope global eth0" ;; esac'
    fake ss 'exit 0'
}

fake() { # fake NAME BODY
    rm -f "$T/bin/$1"
    printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"
    chmod +x "$T/bin/$1"
}

# A Docker that answers, of VERSION and swarm STATE (two words and the node's id).
fake_docker() {
    fake docker "case \"\$*\" in
        --version) echo Docker version $1 ;;
        'version --format'*) echo $1 ;;
        *LocalNodeState*) echo ${2:-active true node1} ;;
        *DockerRootDir*) echo / ;;
        'secret inspect'*) exit 1 ;;
    esac"
}

OUTPUT=''
# run CODE ARGUMENT...: the script in the folder ends with CODE; what it said is in OUTPUT.
run() {
    local code=$1 got=0
    shift
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" "$@" 2>&1 </dev/null) || got=$?
    printf -- '--- %s\n%s\n' "$*" "$OUTPUT"
    [[ $got -eq $code ]] || fail "'$*' ended with $got, not $code"
}
said() {
    local text
    for text in "$@"; do [[ $OUTPUT == *"$text"* ]] || fail "it did not say: $text"; done
}
silent() {
    local text
    for text in "$@"; do [[ $OUTPUT != *"$text"* ]] || fail "it said: $text"; done
}
# plan ARGUMENT...: a dry run, whatever it finds on this host.
plan() {
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run --install-dir "$INSTALL" "$@" 2>&1 </dev/null) || true
    printf -- '--- %s\n%s\n' "$*" "$OUTPUT"
    [[ ! -e $INSTALL ]] || [[ -e $T/installed ]] || fail 'a dry run made the install dir'
}

# in_script CODE: bash code where the script's functions are defined.
in_script() {
    bash -euo pipefail -c '. "$1"; set -- --install-dir "$2"; parse "$@"; '"$1" script "$FOLDER/run-portable.sh" "$INSTALL"
}

test_help_names_every_option_and_verb() {
    local word
    make_folder
    run 0 --help
    for word in --mini --install-dir --port --no-mysql --no-redis --mqtt --config --advertise-addr --online --dry-run --yes \
        status restart stop logs backup restore set external uninstall --purge doctor; do said "$word"; done
}

test_wrong_usage_touches_nothing() {
    local before after
    make_folder
    before=$(find "$T" | sort)
    run 2 --unknown; said 'unknown option: --unknown'
    run 2 --port; said '--port needs a value'
    run 2 --port --mini; said '--port needs a value'
    run 2 --port=; said '--port needs a value'
    run 2 --port=70000; said 'not a port number'
    run 2 --port=08; run 2 --port=80x
    run 2 --mini=yes; said '--mini takes no value'
    run 2 --install-dir relative; said 'absolute path'
    run 2 --install-dir '/a b'; run 2 --install-dir /a/../b; run 2 --install-dir /; run 2 '--install-dir=/a;b'
    run 2 --timeout soon
    run 2 --config "$T/none"; said 'cannot be read'
    run 2 frobnicate; said 'unknown verb'
    run 2 install more; run 2 restore; run 2 set; run 2 external
    run 2 status --mini; said '--mini is not an option of status'
    run 2 --purge; said '--purge is not an option of install'
    after=$(find "$T" | sort)
    [[ $before == "$after" ]] || fail 'something was made'
}

test_both_spellings_of_a_value() {
    local first
    make_folder
    fake_docker 24.0.9
    plan --port 9000 --advertise-addr eth0
    first=$OUTPUT
    plan --port=9000 --advertise-addr=eth0
    [[ $first == "$OUTPUT" ]] || fail 'the plans differ'
    said ':9000'
}

test_plans() {
    make_folder
    fake_docker 24.0.9
    plan
    said 'Docker 24.0.9 is here and stays' "this node's is used" 'new, with random secrets' \
        'services       mysql redis server worker-0 worker-1-6 worker-7 worker-8-9 beat' 'from mysql.tar.gz' 'http://192.0.2.10:8088'
    silent mosquitto
    plan --mini --no-mysql --no-redis
    said 'services       server worker beat'
    silent mysql.tar.gz redis.tar.gz
    plan --mqtt --online
    said 'mosquitto:2.0.3, pulled' 'services       mysql redis mosquitto server'
    fake_docker 24.0.9 'inactive false'
    plan
    said 'docker swarm init --advertise-addr 192.0.2.10'
    rm "$T/bin/docker"
    plan
    said 'install Docker 24.0.9 from docker-18.06.3-ce.tgz'
}

test_options_stay_unless_given() {
    make_folder
    fake_docker 24.0.9
    touch "$T/installed"
    mkdir -p "$INSTALL/data" "$INSTALL/mysql/mysql"
    printf 'SECRET: x\nMYSQL_HOST: mysql\nMYSQL_PASSWORD: p\nREDIS_HOST: redis\n' >"$INSTALL/data/user-config.yaml"
    printf '{ "version": "0.9.0", "ready": "t", "options": { "mini": true, "port": 9123, "mysql": true, "redis": true, "mqtt": true } }\n' >"$INSTALL/receipt.json"
    plan
    said '1.0.0, over 0.9.0' 'services       mysql redis mosquitto server worker beat' ':9123' 'user-config.yaml, kept'
    plan --no-mini --port 9124 --no-mqtt
    said 'services       mysql redis server worker-0' ':9124'
    printf 'MYSQL_HOST: db.example\nMYSQL_PASSWORD: p\nSECRET: x\n' >"$INSTALL/data/user-config.yaml"
    plan
    said 'services       redis mosquitto server worker beat'
}

test_every_rendering_is_the_stack_asked_for() {
    make_folder
    # shellcheck disable=SC2016 # run in the script's shell
    in_script 'PORT=9000
        for MINI in true false; do for MYSQL in true false; do for REDIS in true false; do for MQTT in true false; do
            render_stack node1 >"$MINI.$MYSQL.$REDIS.$MQTT.yaml"
        done; done; done; done'
    /usr/bin/python3 - "$T" "$FOLDER/docker-stack.example.yaml" "$INSTALL" <<'PY'
import itertools, pathlib, sys, yaml
folder, template = pathlib.Path(sys.argv[1]), yaml.safe_load(open(sys.argv[2]))
FULL = ["worker-0", "worker-1-6", "worker-7", "worker-8-9"]
for mini, mysql, redis, mqtt in itertools.product(["true", "false"], repeat=4):
    text = (folder / f"{mini}.{mysql}.{redis}.{mqtt}.yaml").read_text()
    stack = yaml.safe_load(text)
    assert "__" not in text.replace("#", "\n#").split("\nversion")[1], text
    wanted = {"server", "beat"} | set(["worker"] if mini == "true" else FULL)
    wanted |= {name for name, on in (("mysql", mysql), ("redis", redis), ("mosquitto", mqtt)) if on == "true"}
    assert set(stack["services"]) == wanted, (set(stack["services"]), wanted)
    assert ("secrets" in stack) == (mysql == "true")
    for name, service in stack["services"].items():
        assert service["image"] == template["services"][name]["image"] and "$" not in service["image"]
        assert service["deploy"]["placement"]["constraints"] == ["node.id == node1"], name
        assert service["deploy"]["endpoint_mode"] == "dnsrr" and service["logging"]["options"]["max-size"], name
        assert all(volume["source"].startswith(sys.argv[3] + "/") for volume in service["volumes"]), name
        assert ("ports" in service) == (name in ("server", "mosquitto")), name
        assert ("healthcheck" in service) == (name in ("server", "mosquitto", "mysql", "redis")), name
        assert service["networks"] == ["func"], name
    assert stack["services"]["server"]["ports"][0]["published"] == 9000
    assert stack["networks"]["func"]["driver"] == "overlay"
    if mysql == "true":
        mysql = stack["services"]["mysql"]
        assert mysql["secrets"] == ["mysql-root-password"] and "MYSQL_ROOT_PASSWORD" not in mysql["environment"]
queues = lambda name: template["services"][name]["command"]
assert queues("worker-0") == ["./run-worker-by-queue.sh", "0"] and queues("worker") == ["./run-worker.sh"]
assert queues("worker-1-6")[1:] == list("123456") and queues("worker-7")[1:] == ["7"] and queues("worker-8-9")[1:] == ["8", "9"]
PY
}

test_secrets_come_from_the_kernel() {
    local first
    make_folder
    # shellcheck disable=SC2016 # run in the script's shell
    first=$(in_script 'head() { printf "%s\n" "$*" >&2; command head "$@"; }; random_hex' 2>"$T/read")
    [[ $first =~ ^[0-9a-f]{48}$ ]] || fail "not 192 bits: $first"
    [[ $(cat "$T/read") == '-c 24 /dev/urandom' ]] || fail "read from: $(cat "$T/read")"
    [[ $(in_script random_hex) != "$first" ]] || fail 'twice the same'
    # shellcheck disable=SC2016 # the text is looked for
    ! grep -E '\$\{?RANDOM|eval|chmod 666|0666' "$SCRIPT" || fail 'weak'
}

test_configuration_is_made_once() {
    local code first
    make_folder
    # shellcheck disable=SC2016 # run in the script's shell
    code='ensure_secret() { :; }; settle_options; mkdir -p "$INSTALL_DIR/data"; prepare_configuration'
    in_script "$code"
    [[ $(stat -c %a "$INSTALL/data/user-config.yaml") == 600 ]] || fail mode
    /usr/bin/python3 - "$INSTALL/data/user-config.yaml" <<'PY'
import sys, yaml
config = yaml.safe_load(open(sys.argv[1]))
assert len(config["SECRET"]) == len(config["MYSQL_PASSWORD"]) == 48 and config["SECRET"] != config["MYSQL_PASSWORD"]
assert config["MYSQL_HOST"] == "mysql" and config["MYSQL_PORT"] == 3306 and config["REDIS_PASSWORD"] == "", config
PY
    first=$(sha256sum "$INSTALL/data/user-config.yaml")
    in_script "$code"
    [[ $(sha256sum "$INSTALL/data/user-config.yaml") == "$first" ]] || fail 'a second run changed it'
    rm -rf "$INSTALL"
    in_script "MYSQL=false REDIS=false; $code"
    ! grep -E 'MYSQL|REDIS' "$INSTALL/data/user-config.yaml" || fail 'connections nobody asked for'
}

test_a_secret_of_digits_stays_text() {
    make_folder
    # shellcheck disable=SC2016 # run in the script's shell
    in_script 'mkdir -p "$INSTALL_DIR/data"; printf "A  : old # why\nB: \"q # q\"\n# A: no\n" >"$CONFIG"
        [[ $(config_get A) == old && $(config_get B) == "q # q" && -z $(config_get C) ]]
        config_with A=0123456789 C="it'"'"'s" D=12 E=true F=1e5 G= >"$CONFIG.new"; mv "$CONFIG.new" "$CONFIG"
        [[ $(config_get C) == "it'"'"'s" && $(config_get A) == 0123456789 && -z $(config_problem "$CONFIG") ]]'
    /usr/bin/python3 -c 'import sys, yaml; c = yaml.safe_load(open(sys.argv[1])); assert c == {"A": "0123456789", "B": "q # q", "C": "it'\''s", "D": 12, "E": True, "F": "1e5", "G": ""}, c' "$INSTALL/data/user-config.yaml"
}

test_a_file_is_written_whole_or_not_at_all() {
    local got=0
    make_folder
    echo good >"$T/file"
    # More than the process may write: what a full disk does.
    (ulimit -f 8; trap '' XFSZ; in_script 'head -c 100000 /dev/zero | write_file "'"$T/file"'" 600') || got=$?
    [[ $got -ne 0 && $(cat "$T/file") == good ]] || fail 'the good file is lost'
}

test_versions_are_compared() {
    make_folder
    in_script 'newer 1.0.1 1.0.0 && newer 1.10.0 1.9.0 && newer 1.0.0 1.0.0-rc.1 && newer 1.0.0-rc.2 1.0.0-rc.1
        ! newer 1.0.0 1.0.0 && ! newer 1.0.0-rc.1 1.0.0 && ! newer 1.0.0+b 1.0.0+a'
}

test_findings_about_docker() {
    make_folder
    fake docker 'case "$*" in --version) echo Docker version 18.06 ;; *) exit 1 ;; esac'
    fake systemctl 'echo failed; exit 1'
    run 1 --dry-run --install-dir "$INSTALL"; said 'Docker is installed but does not answer; it is not replaced'
    fake docker 'echo podman version 4'
    run 1 --dry-run --install-dir "$INSTALL"; said 'podman'
    fake_docker 17.03.2
    run 1 --dry-run --install-dir "$INSTALL"; said 'Docker 17.03.2 is too old'
    fake_docker 24.0.9 'active false node1'
    run 1 --dry-run --install-dir "$INSTALL"; said 'worker of a swarm' 'docker node promote'
    fake_docker 24.0.9 'locked false'
    run 1 --dry-run --install-dir "$INSTALL"; said 'docker swarm unlock'
    rm "$T/bin/docker" "$T/bin/iptables"
    run 1 --dry-run --install-dir "$INSTALL"; said 'iptables is missing'
    printf '#!/bin/sh\nexit 1\n' >"$T/engine/docker/dockerd"
    make_folder_again
    run 1 --dry-run --install-dir "$INSTALL"; said 'does not start on this host'
}
make_folder_again() { # with the engine archive as it now is
    local digest
    tar -C "$T/engine" -czf "$FOLDER/docker-18.06.3-ce.tgz" docker
    digest=$(sha256sum "$FOLDER/docker-18.06.3-ce.tgz" | cut -d ' ' -f 1)
    sed -i -E "s/(\"name\": \"docker-18.06.3-ce.tgz\"[^}]*sha256:)[0-9a-f]*/\1$digest/" "$FOLDER/manifest.json"
}

test_findings_about_the_host_come_in_one_list() {
    make_folder
    fake_docker 24.0.9 'inactive false'
    fake nproc 'echo 1'
    fake id 'echo 1000'
    # shellcheck disable=SC2016 # the fake expands it
    fake uname 'case "$1" in -r) echo 2.6.32-754 ;; -m) echo x86_64 ;; esac'
    fake df 'printf "h\n/dev/x 10 9 7 90%% /\n"'
    fake getenforce 'echo Enforcing'
    fake firewall-cmd 'exit 0'
    fake ip 'case "$*" in *addr*) printf "2: eth0    inet 192.0.2.10/24 x\n3: eth1    inet 198.51.100.7/24 x\n4: docker0    inet 172.17.0.1/16 x\n" ;; *route*) echo "10.0.1.0/24 dev eth1" ;; esac'
    run 1 --dry-run --install-dir "$INSTALL"
    said 'no root rights' '1 CPU core, 2 are needed' 'Linux 2.6.32-754 is too old' '7 MB free' 'eth0 192.0.2.10,eth1 198.51.100.7' \
        '--advertise-addr' 'SELinux is enforcing' 'firewall-cmd --permanent --add-port=8088/tcp' 'networks that Docker takes'
    silent docker0
    run 1 --dry-run --install-dir "$INSTALL" --mini --advertise-addr eth9
    silent 'CPU core'
    said 'neither an interface nor an address' 
    run 1 --dry-run --install-dir "$INSTALL" --advertise-addr eth1
    silent 'several addresses' 'neither an interface'
}

test_a_taken_port_is_named() {
    local port
    make_folder
    fake_docker 24.0.9
    coproc LISTENER { /usr/bin/python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); input()'; }
    read -r port <&"${LISTENER[0]}"
    plan --port "$port"
    said "port $port is taken"
    kill "$LISTENER_PID"
}

test_findings_about_files() {
    make_folder
    fake_docker 24.0.9
    echo damaged >"$FOLDER/redis.tar.gz"
    run 3 --dry-run --install-dir "$INSTALL"; said 'redis.tar.gz is damaged'
    run_without_redis
    rm "$FOLDER/mysql.tar.gz"
    run 3 --dry-run --install-dir "$INSTALL"; said 'mysql.tar.gz is not in' 'redis.tar.gz is damaged'
    rm "$FOLDER/manifest.json"
    run 1 --dry-run --install-dir "$INSTALL"; said 'manifest.json'
}
run_without_redis() { # what is not needed is not looked at
    plan --no-redis
    silent damaged
}

test_findings_about_what_is_installed() {
    make_folder
    fake_docker 24.0.9
    touch "$T/installed"
    mkdir -p "$INSTALL/mysql/mysql" "$INSTALL/data"
    plan; said 'with the passwords is lost'
    printf 'SECRET: x\nMYSQL_HOST: mysql\n' >"$INSTALL/data/user-config.yaml"
    plan; said 'has no MYSQL_PASSWORD'
    printf 'SECRET: x\n\tMYSQL_HOST: mysql\nMYSQL_PASSWORD: p\n' >"$INSTALL/data/user-config.yaml"
    plan; said 'line 2 begins with a tab'
    printf 'SECRET: x\nMYSQL_HOST: mysql\nMYSQL_PASSWORD: hush' >"$INSTALL/data/user-config.yaml"
    echo 'MYSQL_PASSWORD: hush' >>"$INSTALL/data/user-config.yaml"
    plan; silent hush
    printf 'SECRET: x\nMYSQL_HOST: mysql\nMYSQL_PASSWORD: p\n' >"$INSTALL/data/user-config.yaml"
    printf '{ "version": "1.0.1", "ready": "t", "options": { "mysql": true } }\n' >"$INSTALL/receipt.json"
    plan; said 'version 1.0.1 is installed, this is the older 1.0.0' '--allow-downgrade'
    plan --allow-downgrade; silent 'the older'
    rm -r "$INSTALL/mysql/mysql"
    plan --allow-downgrade; said 'is empty, but this installation has run before'
    rm -r "$INSTALL"
    mkdir -p "$INSTALL"
    touch "$INSTALL/thesis.doc"
    plan; said 'used by something else (there is thesis.doc)'
}

test_configuration_of_the_first_host() {
    make_folder
    fake_docker 24.0.9
    printf 'SECRET: x\nMYSQL_HOST: db.example\nMYSQL_PASSWORD: p\nREDIS_HOST: cache.example\n' >"$T/first.yaml"
    plan --config "$T/first.yaml"
    said "from $T/first.yaml" 'services       server worker-0'
    echo 'MYSQL_HOST: db.example' >"$T/first.yaml"
    plan --config "$T/first.yaml"
    said 'has no SECRET'
}
