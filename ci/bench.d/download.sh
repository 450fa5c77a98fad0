# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Downloads that end verified, against downloads that do not and downloads that are checked afterwards.

urls=()
for name in "${names[@]}"; do urls+=("$fast/$name"); done
while read -r digest name; do
    printf '%s/%s\n checksum=sha-256=%s\n' "$fast" "$name" "$digest" >>"$dir/aria2.fast"
    printf '%s/%s\n checksum=sha-256=%s\n' "$slow" "$name" "$digest" >>"$dir/aria2.slow"
done <"$dir/SHA256SUMS"

empty() {
    rm -rf -- "$dir/cache" "$dir/folder" "$dir/others"
    mkdir "$dir/others"
}
checked() { (cd "$1" && sha256sum --check --quiet "$dir/SHA256SUMS"); }

before_download() { empty; }
run_download() { pack download "$fast/manifest.json" --dir "$dir/folder"; }
before_curl() { empty; }
run_curl() { curl --silent --show-error --fail --parallel --remote-name-all --output-dir "$dir/others" "${urls[@]}"; }
before_curl_checked() { empty; }
run_curl_checked() { run_curl && checked "$dir/others"; }
before_aria2() { empty; }
run_aria2() { aria2c --no-conf -q -j8 -x8 -d "$dir/others" -i "$dir/aria2.fast"; }
before_slow_download() { empty; }
run_slow_download() { pack download "$slow/manifest.json" --dir "$dir/folder"; }
before_slow_aria2() { empty; }
run_slow_aria2() { aria2c --no-conf -q -j8 -x8 -d "$dir/others" -i "$dir/aria2.slow"; }

race download curl curl_checked aria2
race slow_download slow_aria2
versus '`pack download`, verified; `curl --parallel`, unchecked' download curl 1.1
versus '`pack download`; `curl --parallel`, then `sha256sum -c`' download curl_checked 0.3
versus '`pack download`; `aria2c -j8 -x8` with checksums' download aria2 0.2
versus 'the same at 20 MiB/s a connection' slow_download slow_aria2 1.0

empty
in_memory 'peak memory of `pack download`' 64 "$BENCH_PACK" -q download "$fast/manifest.json" --dir "$dir/folder"
checked "$dir/folder" || die 'what was downloaded is wrong'
rm -rf -- "$dir/others"
