# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The virtual machine: started, spoken to, pulled from its power. One at a time. Sourced by ci/drill.
#
# Software emulation (TCG), no network card. Scripts go in and their output comes out over a virtio-serial
# port whose other end is a pair of FIFOs (see guest/agent.sh); the console is a pseudo-terminal, and what
# it prints is kept too. The disk is a plain copy of the base: whatever the machine has written when it is
# killed stands in it, as on a disk with a cache of its own.
# Without `tsc=reliable` every look at the clock leaves the emulated processor. QEMU translates code by its address:
# where every process has addresses of its own (no `norandmaps`), each start of a program is translated anew, which
# makes starting programs three times slower. A plain processor is emulated faster than one with everything, and memory
# is not wiped each time that it is given out.

vm_pid='' vm_dir='' vm_boots=0 vm_count=0 vm_output=''

vm_is_up() { [[ -n $vm_pid ]] && kill -0 "$vm_pid" 2>/dev/null; }

# vm_new NAME [DISK]: a machine nobody has touched, or one with a copy of this disk.
vm_new() {
    vm_stop
    vm_dir=$work/vm-$1
    rm -rf -- "$vm_dir"
    mkdir -p "$vm_dir"
    cp --sparse=always -- "${2:-$base_dir/disk.raw}" "$vm_dir/disk.raw"
    vm_boot
}

# Switches the machine in vm_dir on and waits until its agent is there. The emulator has been seen to hang before that on a
# busy host, whatever the machine was to do. So it is switched off and on again, as a person would.
vm_boot() {
    local begun try
    for try in 1 2 3; do
        begun=$SECONDS
        vm_switch_on
        if vm_wait_ready 150; then
            vm_boots=$((vm_boots + 1))
            note "the machine is up after $((SECONDS - begun)) s"
            return 0
        fi
        vm_is_up || die "the virtual machine has ended" "$(tail -n 5 "$vm_dir/qemu.log")"
        note "the machine did not come up within 150 s, and is switched off and on again; the last of its console:"
        note "$(tail -n 8 "$vm_dir/console.log" | tr -d '\r' | sed 's/^/        /')"
        vm_stop
    done
    die "the machine did not come up in $try tries"
}

vm_switch_on() {
    local stick stick_number=0 arguments=()
    for stick in "$work"/sticks/*.img; do
        [[ -f $stick ]] || continue
        stick_number=$((stick_number + 1))
        arguments+=(-drive "if=none,id=stick$stick_number,format=raw,readonly=on,file=$stick"
            -device "virtio-blk-pci,drive=stick$stick_number")
    done
    rm -f -- "$vm_dir"/agent.*
    mkfifo -m 600 "$vm_dir/agent.in" "$vm_dir/agent.out"
    qemu-system-x86_64 -name drill -nodefaults -no-user-config -display none \
        -accel tcg,thread=multi -cpu qemu64 -smp 2 -m 4096 -nic none \
        -kernel "$base_dir/vmlinuz" -initrd "$base_dir/initrd" \
        -append 'root=LABEL=site ro console=ttyS0 panic=-1 mitigations=off tsc=reliable norandmaps init_on_alloc=0' \
        -drive "if=none,id=disk,format=raw,cache=unsafe,discard=unmap,file=$vm_dir/disk.raw" -device virtio-blk-pci,drive=disk \
        "${arguments[@]}" -device virtio-rng-pci -device virtio-serial-pci \
        -chardev "pipe,id=agent,path=$vm_dir/agent" -device virtserialport,chardev=agent,name=drill \
        -chardev "pty,id=console,logfile=$vm_dir/console.log,logappend=on" -serial chardev:console \
        >"$vm_dir/qemu.log" 2>&1 &
    vm_pid=$!
    # Opened for both directions, so that neither end ever waits for the other.
    exec {vm_in}<>"$vm_dir/agent.in" {vm_out}<>"$vm_dir/agent.out"
}

# Reads the agent's next line into vm_line; 1 when none came in time, 2 when the machine is gone.
vm_read() {
    local deadline=$((SECONDS + $1)) part
    vm_line=''
    while true; do
        part=''
        if IFS= read -r -t 2 -u "$vm_out" part; then
            vm_line+=$part
            return 0
        fi
        vm_line+=$part
        vm_is_up || return 2
        ((SECONDS < deadline)) || return 1
    done
}

# vm_wait_ready SECONDS: until the agent says that it is there; whether it does.
vm_wait_ready() {
    local deadline=$((SECONDS + $1))
    while ((SECONDS < deadline)) && vm_read $((deadline - SECONDS)); do
        [[ $vm_line != 'ready '* ]] || return 0
    done
    return 1
}

# vm_send SECONDS: hands the script on standard input to the machine and does not wait.
vm_send() {
    local script
    script=$(cat)
    vm_count=$((vm_count + 1))
    printf '%s\n' "$script" | sed 's/^/      $ /' >>"$transcript"
    printf '%s %s %s\n' "$vm_count" "$1" \
        "$({ cat ci/drill.d/guest-tools.sh; printf '%s\n' "$vm_settings" "$script"; } | base64 -w 0)" >&"$vm_in"
}

# vm_run SECONDS: runs the script on standard input in the machine, as root, in bash. Its output is in
# vm_output and in the transcript; returns its exit status.
vm_run() {
    local seconds=$1 deadline status
    vm_send "$seconds"
    vm_output=''
    deadline=$((SECONDS + seconds + 120))
    while true; do
        vm_read $((deadline - SECONDS)) || {
            status=$?
            ((status == 1)) || die "the virtual machine has ended" "$(tail -n 5 "$vm_dir/qemu.log")"
            die "the machine does not answer any more" "its console: $vm_dir/console.log"
        }
        case $vm_line in
            '| '*)
                vm_output+=${vm_line#| }$'\n'
                printf '[%5d s]         %s\n' "$SECONDS" "${vm_line#| }" >>"$transcript"
                ;;
            "done $vm_count "*)
                status=${vm_line##* }
                break
                ;;
            'ready '*) die "the machine has started again by itself" "its console: $vm_dir/console.log" ;;
        esac
    done
    vm_output=${vm_output%$'\n'}
    ((status == 0)) || printf '        (exit %s)\n' "$status" >>"$transcript"
    return "$status"
}

# vm_copy_disk FILE: as it is at this moment, which is what would be left if the power went now.
vm_copy_disk() {
    kill -STOP "$vm_pid"
    # A thread that is writing stops when it has written.
    while grep -L '^State:.T' "/proc/$vm_pid"/task/*/status | grep -q .; do sleep 0.1; done
    cp --sparse=always -- "$vm_dir/disk.raw" "$1"
    kill -CONT "$vm_pid"
}

# The power goes: nothing is written any more, nothing is said goodbye.
vm_cut() {
    vm_is_up || die "the virtual machine has ended" "$(tail -n 5 "$vm_dir/qemu.log")"
    kill -KILL "$vm_pid"
    vm_forget
}

vm_stop() {
    [[ -n $vm_pid ]] || return 0
    kill -KILL "$vm_pid" 2>/dev/null || true
    vm_forget
}

# vm_leave: a phase is done with its machine; with --keep it stays until another one is wanted.
vm_leave() { [[ $keep == yes ]] || vm_stop; }

vm_forget() {
    wait "$vm_pid" 2>/dev/null || true
    vm_pid=''
    exec {vm_in}>&- {vm_out}>&-
}

# The terminal that the machine's serial console is on.
vm_console() { sed -n 's/.*redirected to \(\/dev\/pts\/[0-9]*\).*/\1/p' "$vm_dir/qemu.log"; }
