# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# Func without the built-in databases. Sourced by ci/drill.

phase_external() {
    bare_site external
    installed_at /usr/local/dataflux-func 8088
    holds 1500 '--no-mysql --no-redis: done' <<SCRIPT
        sh /media/stick/$first --no-mysql --no-redis
SCRIPT
    said MYSQL_HOST 'and it says what to set for MySQL'
    said REDIS_HOST 'and for Redis'
    holds 120 'Func runs without them and waits for its set-up' <<'SCRIPT'
        set -e
        services server worker-0 worker-1-6 worker-7 worker-8-9 beat
        [[ $(http / | tee /dev/stderr) == '302 -> /client-app '* && $(client_app | tee /dev/stderr | json setUp) == false ]]
        [[ ! -e $DIR/data/user-config.yaml || -z $(config MYSQL_PASSWORD) ]]
SCRIPT
    purge
    vm_leave
}
