# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Checking a folder and a bundle, against hashing the same files with the stock tools.

[[ -d $dir/folder ]] || pack download "$fast/manifest.json" --dir "$dir/folder"
pack bundle "$dir/folder" --compression fast --output "$dir/verify.run"

run_verify() { pack verify "$dir/folder"; }
run_sha256sum() { (cd "$dir/folder" && sha256sum -- "${names[@]}"); }
# The largest comes first, as is best for two processes.
run_openssl() { (cd "$dir/folder" && printf '%s\0' "${names[@]}" | xargs -0 -n 1 -P 2 openssl dgst -sha256); }
run_verify_bundle() { pack verify "$dir/verify.run"; }

race verify sha256sum openssl verify_bundle
versus '`pack verify DIR`; `sha256sum`' verify sha256sum 0.15
versus '`pack verify DIR`; two parallel `openssl dgst -sha256`' verify openssl 1.2
at_rate '`pack verify x.run`' verify_bundle "$(stat -c %s "$dir/verify.run")" 1
in_memory 'peak memory of `pack verify DIR`' 64 "$BENCH_PACK" -q verify "$dir/folder"
in_memory 'peak memory of `pack verify x.run`' 64 "$BENCH_PACK" -q verify "$dir/verify.run"
rm -f -- "$dir"/verify.run*
