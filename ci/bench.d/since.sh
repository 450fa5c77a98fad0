# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# This pack against an earlier one, $BENCH_SINCE: nothing has become slower. The rows of one race are measured in turn.

since() { "$BENCH_SINCE" -q "$@"; }
if [[ -z ${BENCH_SINCE-} ]]; then
    skipped 'against an earlier pack' 'BENCH_SINCE names none'
    return 0
fi
[[ -x $BENCH_SINCE ]] || die "BENCH_SINCE: $BENCH_SINCE cannot be run"

# One contestant a program: `both NAME WORDS...` defines run_NAME and run_since_NAME; in WORDS, OUT is a place of its own.
both() {
    local name=$1 program out
    shift
    for program in pack since; do
        out=$dir/since.$program
        eval "before_${program}_$name() { rm -rf -- '$out' '$out.sha256' '$dir/since.cache'; }"
        eval "run_${program}_$name() { XDG_CACHE_HOME='$dir/since.cache' $program $(printf '%q ' "${@//OUT/$out}"); }"
    done
}
# not_slower WHAT NAME
not_slower() {
    race "pack_$2" "since_$2"
    versus "$1; the same with the earlier pack" "pack_$2" "since_$2" 1.05
    rm -rf -- "$dir"/since.*
}

[[ -d $dir/folder ]] || pack download "$fast/manifest.json" --dir "$dir/folder"
both download download "$fast/manifest.json" --dir OUT
not_slower '`pack download`' download
both slow download "$slow/manifest.json" --dir OUT
not_slower '`pack download` at 20 MiB/s a connection' slow
both verify_folder verify "$dir/folder"
not_slower '`pack verify DIR`' verify_folder
both bundle bundle "$dir/folder" --compression fast --output OUT
not_slower '`pack bundle`' bundle
pack bundle "$dir/folder" --compression fast --output "$dir/kept.run"
both verify_bundle verify "$dir/kept.run"
not_slower '`pack verify x.run`' verify_bundle
both extract extract "$dir/kept.run" OUT
not_slower '`pack extract`' extract
rm -f -- "$dir"/kept.run*

# The same with images, whose layers are taken out of their archives and made again.
if made=$(XDG_CACHE_HOME=$caches ci/stand-ins 2>"$dir/output"); then
    # Nothing but them: an earlier pack may not know all that a product says today.
    mkdir "$dir/images"
    cp -- "$made"/1.0.0/*.tar.gz "$dir/images/"
    jq '.artifacts |= map(select(.kind == "image")) | del(.run)' "$made/1.0.0/manifest.json" >"$dir/images/manifest.json"
    both images_bundle bundle "$dir/images" --output OUT
    not_slower '`pack bundle` of images' images_bundle
    pack bundle "$dir/images" --output "$dir/kept.run"
    both images_verify verify "$dir/kept.run"
    not_slower '`pack verify x.run` of images' images_verify
    both images_extract extract "$dir/kept.run" OUT
    not_slower '`pack extract` of images' images_extract
    rm -rf -- "$dir"/kept.run* "$dir/images"
else
    skipped 'images against an earlier pack' "ci/stand-ins has not made its folder: $(tail -n 1 "$dir/output")"
fi
