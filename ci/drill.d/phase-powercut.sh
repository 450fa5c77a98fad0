# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The power goes in the middle of an installation: at two moments, each of which leaves a machine that finds its own way
# to the end. Sourced by ci/drill.

mini_services='mysql redis server worker beat'

phase_powercut() {
    # The first somewhere in the first or the second third of an installation, which is a quarter shorter than that of the
    # whole product; the second when there are passwords to lose.
    local cut early third=$((${install_seconds:-200} / 4))
    RANDOM=${DRILL_SEED:=$((RANDOM % 32768))}
    note "DRILL_SEED=$DRILL_SEED"
    early=$((RANDOM % 2))
    installed_at /usr/local/dataflux-func 8088
    new_site powercut
    vm_run 60 <<SCRIPT || die 'the installation does not start'
        setsid sh /media/stick/$first --mini --mqtt >/root/install.log 2>&1 </dev/null &
SCRIPT
    # What is on the disk at a moment is what a power cut at that moment leaves; so one installation serves for both.
    come_to 1 "seconds $((early * third + RANDOM % third + 1))"
    vm_copy_disk "$work/cut-1.raw"
    come_to 2 "passwords_and $((RANDOM % 30))"
    vm_cut
    mv -- "$vm_dir/disk.raw" "$work/cut-2.raw"
    for cut in 1 2; do
        vm_new "powercut-$cut" "$work/cut-$cut.raw"
        rm -f -- "$work/cut-$cut.raw"
        recovers "$cut"
        vm_leave
    done
}

# come_to NUMBER MOMENT: waits until that many seconds after the installation began, or after its passwords were written, and
# no longer than to its end.
come_to() {
    vm_run 900 <<SCRIPT || die 'the installation did not come to where it is to be cut'
        log=/root/install.log
        began=\$(stat -c %W \$log)
        seconds() { until ((EPOCHSECONDS - began >= \$1)) || grep -q '^  every service runs' \$log; do sleep 1; done; }
        passwords_and() {
            until grep -q 'user-config.yaml (' \$log; do sleep 1; done
            seconds \$((EPOCHSECONDS - began + \$1))
        }
        $2
        echo "cut $1 after \$((EPOCHSECONDS - began)) s, at: \$(tail -n 1 \$log)"
SCRIPT
    note "$vm_output"
}

# recovers NUMBER: the machine starts, and the same command typed again ends well; what there was of passwords is kept.
recovers() {
    local before now
    sticks_mount
    vm_run 60 <<'SCRIPT' || true
        tail -n 3 /root/install.log
        echo "secrets $(config SECRET) $(config MYSQL_PASSWORD) $(config MQTT_PASSWORD)"
SCRIPT
    before=$(sed -n 's/^secrets //p' <<<"$vm_output")
    [[ $1 != 2 || $before == *[0-9a-f]' '[0-9a-f]*' '[0-9a-f]* ]] ||
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
