# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The power goes: in the middle of the first installation, and in the middle of an update. Sourced by ci/drill.

# cut_while LOG MOMENT: runs the command on standard input in the machine, and pulls the plug at that moment, or at the
# command's end where that comes earlier; then the machine starts again, and has brought to an end what it does by itself.
cut_while() {
    local log=$1 moment=$2 command
    command=$(cat)
    vm_run 60 <<<"setsid $command >$log 2>&1 </dev/null &" || die "this does not start: $command"
    vm_run 900 <<SCRIPT || die 'the command did not come to where it is to be cut' "$vm_output"
        began=\$(stat -c %W $log)
        seconds() { until ((EPOCHSECONDS - began >= \$1)) || grep -q ' runs (' $log; do sleep 1; done; }
        docker_and() {
            until grep -q 'installing Docker' $log; do sleep 0.1; done
            seconds \$((EPOCHSECONDS - began + \$1))
        }
        passwords_and() {
            until [[ -s \$DIR/data/user-config.yaml && -s \$DIR/secrets/mqtt-password ]]; do sleep 1; done
            seconds \$((EPOCHSECONDS - began + \$1))
        }
        $moment
        echo "cut after \$((EPOCHSECONDS - began)) s, at: \$(tail -n 1 $log)"
SCRIPT
    note "$vm_output"
    vm_cut
    vm_boot
    sticks_mount
    # What the boot brings to its end by itself keeps others out until then.
    vm_run 900 <<<'timeout 800 systemctl is-system-running --wait' || [[ $vm_output == *degraded* ]] ||
        die 'the machine does not come to the end of its start' "$vm_output"
}

# In phase_site: what the same command has to go on from.
cut_in_installation() {
    local moment
    RANDOM=${DRILL_SEED:=$((RANDOM % 32768))}
    note "DRILL_SEED=$DRILL_SEED"
    # Anywhere, while the engine is put into place, or when there are passwords to lose.
    case $((RANDOM % 3)) in
        0) moment="seconds $((RANDOM % 120 + 1))" ;;
        1) moment="docker_and $((RANDOM % 10))" ;;
        2) moment="passwords_and $((RANDOM % 30))" ;;
    esac
    cut_while /root/install.log "$moment" <<<"sh /media/stick/$first --mqtt"
    passwords
    passwords_before=$passwords_now
}

# passwords: into passwords_now, as far as there are any.
passwords() {
    # shellcheck disable=SC2016 # the machine expands it
    vm_run 60 <<<'echo "secrets $(config SECRET) $(config MYSQL_PASSWORD) $(mqtt_password)"' || true
    passwords_now=$(sed -n 's/^secrets //p' <<<"$vm_output")
}

no_password_is_lost() {
    passwords
    [[ $passwords_now == *[0-9a-f]' '[0-9a-f]*' '[0-9a-f]* ]] || die 'does not hold: there are passwords' "there are: $passwords_now"
    [[ -z ${passwords_before// /} || $passwords_now == "$passwords_before" ]] ||
        die 'does not hold: no password is lost' "before: $passwords_before" "now: $passwords_now"
    say '  ok  no password is lost by the power cut'
    holds 60 'no file is left of the run that was cut' <<'SCRIPT'
        # The launcher's last resort is the home folder.
        [[ -z $(find /root /run -maxdepth 1 -name '*pack*' | tee /dev/stderr) ]]
        # Files that had not their final name yet.
        [[ -z $(find "$DIR" /etc/systemd/system /etc/logrotate.d /usr/bin -xdev \( -name '*.tmp.??????' -o -name '.*.partial' \) | tee /dev/stderr) ]]
SCRIPT
}

phase_powercut() {
    RANDOM=$((DRILL_SEED + 1))
    cut_while /root/update.log "seconds $((RANDOM % 240 + 5))" <<<"sh /media/update/$second"
    holds 900 'after a power cut in an update the old version or the new one is up by itself' <<SCRIPT
        up() { services $all_services mosquitto >/dev/null && [[ -n \$(client_app) && ! -e /var/lib/pack/dataflux-func/journal.json ]]; }
        until_holds 800 up
        services $all_services mosquitto
        version=\$(client_app | json version)
        echo "Func is \$version"
        [[ \$version == 1.0.[01] ]] && pack --json site status | grep "\"version\": *\"\$version\"" >/dev/null
SCRIPT
    note "$(grep '^Func is' <<<"$vm_output")"
    row_stands
    holds 60 'no file of the update is left in /tmp' <<<'nothing_left /tmp /var/tmp /dev/shm'
}
