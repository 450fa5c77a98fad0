# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Downloads that end verified, against downloads that do not and downloads that are checked afterwards.

urls=()
for name in "${names[@]}"; do urls+=("$fast/$name"); done
while read -r digest name; do
    printf '%s/%s\n checksum=sha-256=%s\n' "$fast" "$name" "$digest" >>"$dir/aria2.fast"
    printf '%s/%s\n checksum=sha-256=%s\n' "$slow" "$name" "$digest" >>"$dir/aria2.slow"
done <"$dir/SHA256SUMS"

# Where the contestants write: in memory, so that no disk decides, and on a disk, where people download to. Only pack
# waits until the disk has everything.
place=$dir
empty() {
    rm -rf -- "$place/cache" "$place/folder" "$place/others"
    mkdir "$place/others"
    sync -f "$place"
}
checked() { (cd "$1" && sha256sum --check --quiet "$dir/SHA256SUMS"); }
pack_download() { XDG_CACHE_HOME=$place/cache pack download "$1/manifest.json" --dir "$place/folder"; }
aria2_download() { aria2c --no-conf -q -j8 -x8 -d "$place/others" -i "$1"; }

before_download() { empty; }
run_download() { pack_download "$fast"; }
before_curl() { empty; }
run_curl() { curl --silent --show-error --fail --parallel --remote-name-all --output-dir "$place/others" "${urls[@]}"; }
before_curl_checked() { empty; }
run_curl_checked() { run_curl && checked "$place/others"; }
before_aria2() { empty; }
run_aria2() { aria2_download "$dir/aria2.fast"; }
before_slow_download() { empty; }
run_slow_download() { pack_download "$slow"; }
before_slow_aria2() { empty; }
run_slow_aria2() { aria2_download "$dir/aria2.slow"; }

# downloads WHERE TARGET: the rows of a place; the target is that against aria2.
downloads() {
    race download curl curl_checked aria2
    race slow_download slow_aria2
    versus "\`pack download\`, verified; \`curl --parallel\`, unchecked: $1" download curl 1.1
    versus "\`pack download\`; \`curl --parallel\`, then \`sha256sum -c\`: $1" download curl_checked 0.3
    versus "\`pack download\`; \`aria2c -j8 -x8\` with checksums: $1" download aria2 "$2"
    versus "the same at 20 MiB/s a connection: $1" slow_download slow_aria2 1.0
    empty
    run_download
    checked "$place/folder" || die 'what was downloaded is wrong'
}

if disk=$(mktemp -d "${BENCH_DISK:-/var/tmp}/pack-bench.XXXXXXXX") && [[ $(df --output=fstype -- "$disk" | tail -n 1) != tmpfs ]] &&
    room_for "$disk"; then
    place=$disk
    downloads 'on a disk' 0.2
else
    skipped 'downloads to a disk' "${BENCH_DISK:-/var/tmp} is none, or has no room; set BENCH_DISK"
fi
rm -rf -- "$disk"
place=$dir
downloads 'in memory' 1.0

empty
in_memory 'peak memory of `pack download`' 64 "$BENCH_PACK" -q download "$fast/manifest.json" --dir "$dir/folder"
rm -rf -- "$dir/others"
