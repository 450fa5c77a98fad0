# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The power goes in the middle of an installation, three times. Sourced by ci/drill.

phase_powercut() {
    # A second run has less to do than the first, and the last third of an installation is waiting.
    local third moment span=$((${install_seconds:-240} * 2 / 3)) secrets='' now begun
    RANDOM=${DRILL_SEED:=$((RANDOM % 32768))}
    note "DRILL_SEED=$DRILL_SEED"
    installed_at /usr/local/dataflux-func 8088
    new_site powercut
    for third in 0 1 2; do
        # Somewhere in the first, the second, the last third of that time.
        moment=$((span * third / 3 + RANDOM % (span / 3) + 1))
        begun=$SECONDS
        vm_run $((moment + 120)) <<SCRIPT || die "the machine does not count to $moment"
            setsid sh /media/stick/$first --mqtt >/root/install-$third.log 2>&1 </dev/null &
            # Not after its end, which may come soon where the run before was cut off late.
            late=$((RANDOM % 20))
            for ((second = 0; second < $moment; second++)); do
                sleep 1
                ! grep -q '^  every service runs' /root/install-$third.log || break
                ! grep -q '^== Waiting' /root/install-$third.log || ((late-- > 0)) || break
            done
SCRIPT
        vm_cut
        note "cut after $((SECONDS - begun)) s"
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
        [[ -z $(find /root /run -maxdepth 1 \( -name '*pack*' -o -name 'docker.??????' \) | tee /dev/stderr) ]]
        # Files that had not their final name yet.
        [[ -z $(find "$DIR" /etc/systemd/system /etc/logrotate.d /usr/bin -xdev -name '*.tmp.??????' | tee /dev/stderr) ]]
SCRIPT
    vm_leave
}
