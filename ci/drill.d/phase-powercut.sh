# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The power goes in the middle of an installation, three times. Sourced by ci/drill.

phase_powercut() {
    local third moment span=${install_seconds:-180} secrets='' now
    RANDOM=${DRILL_SEED:=$((RANDOM % 32768))}
    note "DRILL_SEED=$DRILL_SEED"
    installed_at /usr/local/dataflux-func 8088
    new_site powercut
    for third in 0 1 2; do
        # Somewhere in the first, the second, the last third of the time that an installation takes.
        moment=$((span * third / 3 + RANDOM % (span / 3) + 1))
        vm_send 1500 <<<"setsid sh /media/stick/$first --mqtt >/root/install-$third.log 2>&1 </dev/null & sleep 1"
        sleep "$moment"
        vm_cut
        note "cut after $moment s"
        vm_boot
        sticks_mount
        vm_run 60 <<SCRIPT || true
            tail -n 3 /root/install-$third.log
            echo "secrets \$(config SECRET) \$(config MYSQL_PASSWORD) \$(config MQTT_PASSWORD)"
SCRIPT
        now=$(sed -n 's/^secrets //p' <<<"$vm_output")
        [[ -z ${secrets// /} || $now == "$secrets" ]] || die "does not hold: no password is lost" "before: $secrets" "now: $now"
        [[ -z ${now// /} ]] || secrets=$now
    done
    holds 1500 'run again after three cuts, it ends well' <<<"sh /media/stick/$first --mqtt"
    holds 60 'all services at their replicas' <<<"services $all_services mosquitto"
    holds 300 'Func answers, and its rows come into MySQL' <<'SCRIPT'
        set -e
        set_up() { [[ $(client_app | tee /dev/stderr | json setUp) == true ]]; }
        until_holds 180 set_up
        before=$(sql 'SELECT COUNT(*) FROM func_task')
        more() { (($(sql 'SELECT COUNT(*) FROM func_task') > before)); }
        until_holds 120 more
        echo "secrets $(config SECRET) $(config MYSQL_PASSWORD) $(config MQTT_PASSWORD)"
SCRIPT
    now=$(sed -n 's/^secrets //p' <<<"$vm_output")
    [[ -z ${secrets// /} || $now == "$secrets" ]] || die "does not hold: no password is lost" "before: $secrets" "now: $now"
    say '  ok  no password is lost'
    holds 60 'no file is left of the interrupted runs' <<'SCRIPT'
        nothing_left /tmp /var/tmp /dev/shm
        # The launcher's last resort is the home folder.
        [[ -z $(find /root /run -maxdepth 1 -name '*pack*' | tee /dev/stderr) ]]
SCRIPT
    vm_leave
}
