# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The small installation, elsewhere, and living with it: the verbs of the script that lies in the install dir. Sourced by
# ci/drill.

mini_services='mysql redis server worker beat'

phase_mini() {
    bare_site mini
    installed_at /srv/func 9000
    holds 1500 '--mini --install-dir /srv/func --port 9000: done' <<SCRIPT
        sh /media/stick/$first --mini --install-dir /srv/func --port 9000
SCRIPT
    holds 300 'one worker; it answers there, and only there' <<SCRIPT
        set -e
        services $mini_services
        [[ \$(http / | tee /dev/stderr) == '302 -> /client-app '* && \$(client_app | json version) == 1.0.0 ]]
        [[ -z \$(http / 127.0.0.1 8088) && ! -e /usr/local/dataflux-func ]]
        row() { [[ -n \$(sql 'SELECT id FROM func_task WHERE id = 1') ]]; }
        until_holds 240 row
        sql 'SELECT id, queue, worker, done FROM func_task WHERE id = 1' >/root/row
SCRIPT
}

phase_verbs() {
    holds 120 'status: all is up' <<'SCRIPT'
        bash "$DIR/run-portable.sh" status
SCRIPT
    holds 300 'doctor finds nothing wrong' <<'SCRIPT'
        bash "$DIR/run-portable.sh" doctor
SCRIPT
    holds 300 'backup: a dump of mode 0600, named as in the manual, with the rows' <<'SCRIPT'
        set -e
        bash "$DIR/run-portable.sh" backup
        dump=$(find "$DIR/data/sqldump" -name 'dataflux-func-sqldump-[0-9]*.sql' | sort | tail -n 1)
        stat -c '%a %s %n' "$dump"
        [[ $(stat -c %a "$dump") == 600 && ${dump##*/} =~ ^dataflux-func-sqldump-[0-9]{8}-[0-9]{6}\.sql$ ]]
        grep -q 'INSERT INTO `func_task`' "$dump"
        cp "$dump" /root/dump.sql
SCRIPT
    holds 600 'restore: a table that was lost is back, with its rows' <<'SCRIPT'
        set -e
        sql 'DROP TABLE func_task'
        bash "$DIR/run-portable.sh" restore --yes /root/dump.sql
        [[ $(sql 'SELECT id, queue, worker, done FROM func_task WHERE id = 1') == "$(cat /root/row)" ]]
SCRIPT
    holds 600 'set: the configuration has it, still 0600, and everything runs again' <<SCRIPT
        set -e
        before=\$(config MYSQL_PASSWORD)
        bash "\$DIR/run-portable.sh" set LOG_LEVEL=WARNING
        [[ \$(config LOG_LEVEL) == WARNING && \$(config MYSQL_PASSWORD) == "\$before" ]]
        [[ \$(stat -c '%a %U' "\$DIR/data/user-config.yaml") == '600 root' ]]
        services $mini_services
SCRIPT
    holds 300 'doctor finds what is wrong: a service that does not run' <<'SCRIPT'
        docker service scale --detach dataflux-func_beat=0 >/dev/null
        stopped() { [[ -z $(container beat) ]]; }
        until_holds 120 stopped
        bash "$DIR/run-portable.sh" doctor && exit 1
        true
SCRIPT
    said 'BAD   services' 'and says where to look'
    said 'beat 0/0' 'and names it'
    purge
}

# purge: of the product nothing remains; the engine does.
purge() {
    holds 600 'uninstall --purge: no container, volume, network, secret, file or unit of the product remains' <<'SCRIPT'
        set -e
        bash "$DIR/run-portable.sh" uninstall --purge --yes
        failed=0
        gone() { [[ -z $2 ]] || { printf 'still there, %s:\n%s\n' "$1" "$2"; failed=1; }; }
        gone containers "$(docker ps -aq)"
        gone volumes "$(docker volume ls -q)"
        gone networks "$(docker network ls --format '{{.Name}}' | grep dataflux || true)"
        gone services "$(docker service ls -q)"
        gone secrets "$(docker secret ls -q; docker config ls -q)"
        gone files "$(ls -d "$DIR" 2>/dev/null || true; find / -xdev -name '*dataflux*' ! -path '/proc/*' ! -path '/var/lib/docker/*' ! -path '/media/*' 2>/dev/null)"
        gone units "$(systemctl list-unit-files --no-legend | grep -i dataflux || true; systemctl list-timers --all --no-legend | grep -i dataflux || true)"
        nothing_left /tmp /var/tmp /dev/shm || failed=1
        exit $failed
SCRIPT
}
