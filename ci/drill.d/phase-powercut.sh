# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The power goes in the middle of an installation: at three moments, each on a bare machine of its own. Sourced by
# ci/drill.

mini_services='mysql redis server worker beat'

phase_powercut() {
    # The first two somewhere in the first and the second third of an installation, which is a quarter shorter than that of
    # the whole product; the third when there are passwords to lose.
    local cut moment third=$((${install_seconds:-200} / 4))
    RANDOM=${DRILL_SEED:=$((RANDOM % 32768))}
    note "DRILL_SEED=$DRILL_SEED"
    installed_at /usr/local/dataflux-func 8088
    for cut in 1 2 3; do
        case $cut in
            1 | 2) moment=$((third * (cut - 1) + RANDOM % third + 1)) ;;
            3) moment=$((RANDOM % 30)) ;;
        esac
        new_site "powercut-$cut"
        cut_while_installing "$cut" "$moment"
        recovers "$cut"
        vm_leave
    done
}

# cut_while_installing NUMBER SECONDS: an installation, and no power any more after so long; of the third, after so
# long since its passwords were written.
cut_while_installing() {
    local begun=$SECONDS
    vm_run 900 <<SCRIPT || die "the installation did not come to where it is to be cut"
        log=/root/install.log
        setsid sh /media/stick/$first --mini --mqtt >\$log 2>&1 </dev/null &
        [[ $1 != 3 ]] || until grep -q 'user-config.yaml (' \$log; do sleep 0.5; done
        for ((second = 0; second < $2; second++)); do
            sleep 1
            ! grep -q '^  every service runs' \$log || break # an installation that has ended cannot be cut
        done
SCRIPT
    vm_cut
    note "cut after $((SECONDS - begun)) s"
}

# recovers NUMBER: the machine starts, and the same command typed again ends well; what there was of passwords is kept.
recovers() {
    local before now
    vm_boot
    sticks_mount
    vm_run 60 <<'SCRIPT' || true
        tail -n 3 /root/install.log
        echo "secrets $(config SECRET) $(config MYSQL_PASSWORD) $(config MQTT_PASSWORD)"
SCRIPT
    before=$(sed -n 's/^secrets //p' <<<"$vm_output")
    [[ $1 != 3 || $before == *[0-9a-f]' '[0-9a-f]*' '[0-9a-f]* ]] ||
        die "does not hold: the last cut came when there were passwords" "there are: $before"
    holds 1500 'run again, it ends well' <<<"sh /media/stick/$first --mini --mqtt"
    holds 60 'all services at their replicas' <<<"services $mini_services mosquitto"
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
    [[ $now == *[0-9a-f]' '[0-9a-f]*' '[0-9a-f]* && (-z ${before// /} || $now == "$before") ]] ||
        die "does not hold: no password is lost" "before: $before" "now: $now"
    say '  ok  no password is lost'
    holds 60 'no file is left of the interrupted run' <<'SCRIPT'
        nothing_left /tmp /var/tmp /dev/shm
        # The launcher's last resort is the home folder.
        [[ -z $(find /root /run -maxdepth 1 \( -name '*pack*' -o -name '*-engine.??????' \) | tee /dev/stderr) ]]
        # Files that had not their final name yet.
        [[ -z $(find "$DIR" /etc/systemd/system /etc/logrotate.d /usr/bin -xdev -name '*.tmp.??????' | tee /dev/stderr) ]]
SCRIPT
}
