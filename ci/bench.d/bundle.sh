# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Packing and unpacking, against tar and zstd.

[[ -d $dir/folder ]] || pack download "$fast/manifest.json" --dir "$dir/folder"
bundle=$dir/bundle.run

before_bundle() { rm -f -- "$bundle" "$bundle.sha256"; }
run_bundle() { pack bundle "$dir/folder" --compression fast --output "$bundle"; }
before_tar_zstd() { rm -f -- "$dir/stock.tar.zst"; }
run_tar_zstd() { tar -C "$dir/folder" -cf - "${names[@]}" | zstd -q -T0 -3 -o "$dir/stock.tar.zst"; }

race bundle tar_zstd
versus '`pack bundle --compression fast`; `tar \| zstd -T0 -3`' bundle tar_zstd 1.2
rm -f -- "$dir/stock.tar.zst"

# The same payload for both: a bundle from its payload on is a .tar.zst.
at=$(sed -n 's/.*tail -c +\([0-9]*\) .*zstd.*/\1/p;/^exec /q' "$bundle" | head -n 1)
tail -c "+$at" "$bundle" >"$dir/payload.tar.zst"
again() {
    rm -rf -- "$dir/out"
    mkdir "$dir/out"
}
before_extract() { again; }
run_extract() { pack extract "$bundle" "$dir/out/folder"; }
before_zstd_tar() { again; }
run_zstd_tar() { zstd -dc "$dir/payload.tar.zst" | tar -xC "$dir/out"; }

race extract zstd_tar
versus '`pack extract`; `zstd -dc \| tar -x` of the same payload' extract zstd_tar 1.0
rm -rf -- "$dir/out" "$dir/payload.tar.zst" "$bundle" "$bundle.sha256"
