# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT, FOLDER ... are of ci/test-portable and folder.sh
# The run script without Docker: what it writes and reads: the stack file, the configuration, secrets, options that stay.
# `ci/test-portable configuration` runs this file.

. "$ROOT/tests/portable/folder.sh"

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
    ! in_script 'PORT=9000; MINI=true MYSQL=true REDIS=true MQTT=true; render_stack node1' >/dev/null || fail 'a stack without image IDs'
    # shellcheck disable=SC2016
    in_script 'PORT=9000 MINI=true MYSQL=true REDIS=true MQTT=true
        while read -r reference artifact; do IDS+="$reference sha256:$(printf %s "$reference" | sha256sum | cut -d " " -f 1)"$'"'\n'"'; done < <(wanted_images)
        for MINI in true false; do for MYSQL in true false; do for REDIS in true false; do for MQTT in true false; do
            render_stack node1 >"$MINI.$MYSQL.$REDIS.$MQTT.yaml"
        done; done; done; done'
    /usr/bin/python3 - "$T" "$FOLDER/docker-stack.example.yaml" "$INSTALL" <<'PY'
import hashlib, itertools, pathlib, sys, yaml
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
        reference = template["services"][name]["image"]
        assert service["image"] == "sha256:" + hashlib.sha256(reference.encode()).hexdigest(), name
        assert f"{service['image']} # {reference}\n" in text # for a person
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

test_what_an_operator_writes_into_the_configuration_is_read_as_yaml_reads_it() {
    make_folder
    mkdir -p "$INSTALL/data"
    cat >"$INSTALL/data/user-config.yaml" <<'YAML'
A: 'mysql' # built in
B: "say \"hi\" # not a comment"   # one
C: # nothing
D: 'it''s # here'
E: plain # comment
F: a#b
"G": 'quoted key'
YAML
    # shellcheck disable=SC2016 # run in the script's shell
    in_script 'for key in A B C D E F G; do printf "%s=%s\n" $key "$(config_get $key)"; done' >"$T/ours"
    /usr/bin/python3 -c 'import sys, yaml
for key, value in yaml.safe_load(open(sys.argv[1])).items(): print(f"{key}={value or str()}")' "$INSTALL/data/user-config.yaml" >"$T/theirs"
    diff "$T/theirs" "$T/ours" || fail 'another reading'
    # What goes by a name like PASSWORD is text for every reader.
    # shellcheck disable=SC2016
    in_script 'config_set MYSQL_PASSWORD=123456 REDIS_PASSWORD=true PORT=12 _DISABLE_USER_X=false G=new'
    /usr/bin/python3 -c 'import sys, yaml; c = yaml.safe_load(open(sys.argv[1])); assert (c["MYSQL_PASSWORD"], c["REDIS_PASSWORD"], c["PORT"], c["_DISABLE_USER_X"], c["G"]) == ("123456", "true", 12, False, "new"), c' "$INSTALL/data/user-config.yaml"
}

test_a_file_is_written_whole_or_not_at_all() {
    local got=0
    make_folder
    echo good >"$T/file"
    # More than the process may write: what a full disk does.
    (ulimit -f 8; trap '' XFSZ; in_script 'head -c 100000 /dev/zero | write_file "'"$T/file"'" 600') || got=$?
    [[ $got -ne 0 && $(cat "$T/file") == good ]] || fail 'the good file is lost'
    # What was to make the new content died.
    mkdir -p "$INSTALL/data"
    echo 'SECRET: good' >"$INSTALL/data/user-config.yaml"
    # shellcheck disable=SC2016 # the script's shell expands it
    ! in_script 'awk() { kill -KILL "$BASHPID"; }; config_set A=b' || fail 'it went on'
    [[ $(cat "$INSTALL/data/user-config.yaml") == 'SECRET: good' ]] || fail 'the good configuration is lost'
}

# What `docker save` writes, of old and new engines, and what `pack inspect` says.
test_the_image_that_an_archive_carries_is_known() {
    local config one two
    make_folder
    one=sha256:$(printf 1%.0s {1..64}) two=sha256:$(printf 2%.0s {1..64})
    printf '[{"Config":"%s.json","RepoTags":["a/x:1"],"Layers":["l/layer.tar"]}, {"RepoTags": ["a/y:1"], "Config": "blobs/sha256/%s", "LayerSources": {"s": {"size": 1}}}]' \
        "${one#*:}" "${two#*:}" >"$T/manifest.json"
    tar -C "$T" -czf "$FOLDER/mysql.tar.gz" manifest.json
    [[ $(in_script 'carried_config a/x:1 mysql.tar.gz') == "$one" ]] || fail 'of the first image'
    [[ $(in_script 'carried_config a/y:1 mysql.tar.gz') == "$two" ]] || fail 'of the second image'
    config=$(in_script 'carried_config a/x mysql.tar.gz') || true
    [[ -z $config ]] || fail 'of an image that is not there'
    fake pack 'printf "%s" "{ \"images\": [ { \"id\": \"'"$one"'\", \"layers\": [ { \"diffId\": \"d\", \"images\": [ \"'"$two"'\" ], \"size\": 1 } ], \"tags\": [ \"a/x:1\" ] }, { \"tags\": [ \"a/y:1\" ], \"layers\": [], \"id\": \"'"$two"'\" } ] }"'
    export PACK=$T/bin/pack PACK_BUNDLE=$T/x.run
    [[ $(in_script 'carried_config a/x:1 mysql.tar.gz') == "$one" ]] || fail 'of the first image of a bundle'
    [[ $(in_script 'carried_config a/y:1 mysql.tar.gz') == "$two" ]] || fail 'of the second image of a bundle'
}

# Classic: the ID is the configuration's digest. In containerd it is the manifest's: then what it gives back is looked at.
test_what_the_engine_has_is_what_was_loaded() {
    local one two
    make_folder
    one=sha256:$(printf 1%.0s {1..64}) two=sha256:$(printf 2%.0s {1..64})
    printf '[{"Config":"%s.json","RepoTags":["a/x:1"]}]' "${one#*:}" >"$T/manifest.json"
    tar -C "$T" -czf "$FOLDER/mysql.tar.gz" manifest.json
    fake docker "case \$1 in image) cat '$T/id' ;; save) cat '$T/saved' ;; esac"
    export PATH=$T/bin:$PATH
    echo "$one" >"$T/id"
    [[ $(in_script 'loaded_id a/x:1 mysql.tar.gz') == "$one" ]] || fail 'the ID of a classic engine'
    echo "$two" >"$T/id"
    tar -C "$T" -cf "$T/saved" manifest.json
    [[ $(in_script 'loaded_id a/x:1 mysql.tar.gz') == "$two" ]] || fail 'the ID of an engine with containerd'
    sed -i s/1111/3333/ "$T/manifest.json"
    tar -C "$T" -cf "$T/saved" manifest.json
    ! in_script 'loaded_id a/x:1 mysql.tar.gz' || fail 'another image was taken'
    : >"$T/saved"
    ! in_script 'loaded_id a/x:1 mysql.tar.gz' || fail 'an image that cannot be looked at was taken'
}

test_versions_are_compared() {
    make_folder
    in_script 'newer 1.0.1 1.0.0 && newer 1.10.0 1.9.0 && newer 1.0.0 1.0.0-rc.1 && newer 1.0.0-rc.2 1.0.0-rc.1
        ! newer 1.0.0 1.0.0 && ! newer 1.0.0-rc.1 1.0.0 && ! newer 1.0.0+b 1.0.0+a'
}

# A power cut cannot be had here: what Docker then says comes from a fake.
test_a_port_that_docker_keeps_for_nobody() {
    local got=0
    make_folder
    # shellcheck disable=SC2016 # the fake expands it
    fake docker 'held="starting container failed: driver failed programming external connectivity: Bind for 0.0.0.0"
        case "$*" in
            "ps --format {{.Ports}}") echo "0.0.0.0:1883->1883/tcp, :::1883->1883/tcp" ;;
            "ps --format {{.Names}}"*) cat "${0%/*}/../containers" ;;
            *"service ps"*_server) printf "\n%s\n%s\n" "$held:8088 failed: port is already allocated" older ;;
            *"service ps"*_mosquitto) echo "$held:1883 failed: port is already allocated" ;;
            "version --format"*) echo 24.0.9 ;;
        esac'
    fake systemctl "echo \"\$*\" >>$T/systemctl"
    export PATH=$T/bin:$PATH
    [[ $(in_script 'held_ports "server 0/1
mosquitto 0/1
beat 0/1"') == 8088 ]] || fail 'not the port that no container has'
    echo 'dataflux-func_beat.1 dataflux-func' >"$T/containers"
    if [[ -d /run/systemd/system ]]; then
        in_script restart_engine
        [[ $(cat "$T/systemctl") == 'restart docker' ]] || fail 'Docker was not started again'
        rm "$T/systemctl"
    fi
    echo 'shop ' >>"$T/containers"
    OUTPUT=$(in_script restart_engine 2>&1) || got=$?
    [[ $got -eq 1 && ! -e $T/systemctl ]] || fail 'it stopped what is not its own'
    said 'it also restarts shop'
}

# CentOS 7 has bash 4.2. What came later, and what 4.2 takes for an unset variable: an empty array, unguarded.
test_nothing_in_it_is_newer_than_bash_4_2() {
    local newer array
    newer='local -[nA-Za-z]*n|declare -[a-zA-Z]*n|wait -[fn]|\$\{[A-Za-z_]+(\[@\])?@|\[-[0-9]+\]|EPOCH(SECONDS|REALTIME)'
    newer+='|SRANDOM|BASH_ARGV0|(mapfile|readarray) [^;|]*-d|\[\[ -[vR] [a-z]+\[|local -( |$)|inherit_errexit|localvar_'
    ! grep -nE "$newer" "$SCRIPT" || fail 'newer than 4.2'
    while read -r array; do
        # Guarded, or never empty where it is used.
        case $array in
            '#'* | '!ARGS' | names | needed | add | stop | PAUSED | ARGS | my | re | pairs | peers | files | STAGES) ;;
            *) fail "an array that may be empty: $array" ;;
        esac
    done < <(sed -E 's/\$\{[A-Za-z_]+\[@\]\+"\$\{[A-Za-z_]+\[@\]\}"\}//g' "$SCRIPT" | grep -oE '\$\{[^}]*\[@\]\}' | tr -d '{[@]}\$')
}

# Before 5.1 bash hands texts over in files, as it does here when it is told to be 4.2.
test_no_text_that_is_handed_over_is_on_a_disk() {
    local files
    make_folder
    fake_docker 24.0.9 'inactive false' # so that its addresses are looked at
    command -v strace >/dev/null || { [[ ${CI-} != true ]] || fail 'CI=true, and there is no strace'; echo 'skipped: no strace'; return 0; }
    files=$(env -u TMPDIR PATH="$T/bin" BASH_COMPAT=4.2 strace -f -qq -e trace=openat -o /dev/stdout \
        bash "$FOLDER/run-portable.sh" --dry-run --install-dir "$INSTALL" 2>/dev/null </dev/null | grep -o '"[^"]*/sh-thd[^"]*"' | sort -u) || true
    [[ -n $files ]] || fail 'no text was handed over: the test sees nothing'
    ! grep -v '^"/dev/shm/' <<<"$files" || fail 'elsewhere than in memory'
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
