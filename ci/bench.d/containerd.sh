# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Loading into an engine that keeps images in containerd. It has to be the one that answers:
#   ci/newer-engine --store containerd trixie ci/bench containerd

containerd_emptied() {
    docker image ls --quiet | sort -u | xargs --no-run-if-empty docker image rm --force >"$dir/output" 2>&1
    [[ -z $(docker image ls --quiet) ]] || die 'the engine has images still'
}
before_containerd_pack() { containerd_emptied; }
run_containerd_pack() { pack load "$dir/stand-ins.run"; }
before_containerd_each() { containerd_emptied; }
run_containerd_each() {
    local archive
    for archive in mysql redis eclipse-mosquitto dataflux-func; do docker load --quiet --input "$stand_ins/1.0.0/$archive.tar.gz"; done
}
before_containerd_tar() { containerd_emptied; }
run_containerd_tar() { tar -C "$dir/layout/oci" -c . | docker load --quiet; }

if ! docker info --format '{{json .DriverStatus}}' 2>/dev/null | grep -q containerd.snapshotter; then
    skipped '`pack load` with images in containerd' 'no such engine answers: ci/newer-engine --store containerd trixie ci/bench containerd'
elif ! stand_ins=$(XDG_CACHE_HOME=$caches ci/stand-ins 2>"$dir/output"); then
    skipped '`pack load` with images in containerd' "ci/stand-ins has not made its folder: $(tail -n 1 "$dir/output")"
else
    pack bundle "$stand_ins/1.0.0" --output "$dir/stand-ins.run"
    mkdir "$dir/layout"
    from=$("$BENCH_PACK" inspect "$dir/stand-ins.run" | grep -o 'tail -c +[0-9]*' | head -n 1)
    tail -c "${from##* }" "$dir/stand-ins.run" | zstd -dc | tar -C "$dir/layout" -x oci
    race containerd_pack containerd_each containerd_tar
    versus '`pack load x.run`, images in containerd; `docker load` of each' containerd_pack containerd_each 0.55
    versus '`pack load x.run`, images in containerd; its layout by `tar -c . \| docker load`' containerd_pack containerd_tar 1.1
    containerd_emptied
    rm -rf -- "$dir/layout" "$dir"/stand-ins.run*
fi
