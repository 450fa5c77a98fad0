#!/usr/bin/env python3
"""A second reader of bundles, in Python's standard library and the programs zstd and gzip.

Usage: read.py x.run DIR

It checks every digest in the bundle and writes each artifact into DIR. Written from docs/format.md alone, it
proves that the document is enough. It holds the whole bundle in memory: a proof, not a tool.
"""

import io
import json
import sys
import tarfile
from pathlib import Path, PurePosixPath

import recipe
from bundle import Bundle, Wrong, digest, need


def main(path, out):
    try:
        bundle = Bundle(path)
        check_tar(bundle)
        check_manifest(bundle)
        blobs = blobs_of(bundle)
        check_images(bundle, blobs)
        for entry in bundle.index["entries"]:
            if entry["path"] in ("manifest.json", "manifest.json.minisig"):
                write(Path(out), entry["path"], entry["mode"], bundle.members[entry["path"]])
        for artifact in bundle.index["artifacts"]:
            found = restored(bundle, artifact, blobs)
            is_whole = isinstance(found, bytes)
            print(f"{artifact['name']}: {'ok' if is_whole else found}")
            if is_whole:
                write(Path(out), artifact["name"], artifact["mode"], found)
    except (Wrong, OSError, KeyError, ValueError, TypeError, IndexError, tarfile.TarError) as error:
        sys.exit(f"{path}: {type(error).__name__}: {error}")


def check_tar(bundle):
    """What stock tar finds in the stream is what the index lists."""
    with tarfile.open(fileobj=io.BytesIO(bundle.stream), mode="r:") as archive:
        found = [(one.name, one.offset_data, one.size, one.mode) for one in archive if one.isfile()]
    listed = [(one["path"], one["offset"], one["size"], one["mode"]) for one in bundle.index["entries"]]
    need(found == listed, "the tar stream has other members than the index")


def check_manifest(bundle):
    """The manifest that is carried pins what the index lists."""
    manifest = json.loads(bundle.members["manifest.json"])
    for key in ("name", "version"):
        need(manifest[key] == bundle.index[key], f"manifest and index have another {key}")
    pinned = {one["name"]: one for one in manifest["artifacts"]}
    for artifact in bundle.index["artifacts"]:
        pin = pinned[artifact["name"]]
        need((pin["size"], pin["digest"]) == (artifact["size"], artifact["digest"]),
             f"{artifact['name']}: the manifest pins something else")


def blobs_of(bundle):
    """Every blob by its digest; each has its digest for a name."""
    blobs = {}
    for path, content in bundle.members.items():
        folder, _, name = path.rpartition("/")
        if folder == "oci/blobs/sha256" or folder == ".pack/rebuild" and not name.endswith(".recipe"):
            need(digest(content) == f"sha256:{name}", f"{path}: its name is not its digest")
            blobs[f"sha256:{name}"] = content
    return blobs


def check_images(bundle, blobs):
    """Each image that is carried as blobs has a configuration that is its ID, and all of its layers."""
    carried = {image for one in bundle.index["artifacts"] if one.get("form") in ("rebuilt", "exported")
               for image in one.get("images", [])}
    images = {image["id"]: image["layers"] for image in bundle.index.get("images", [])}
    for image in carried:
        layers = images[image]
        config = json.loads(blobs[image])
        need(config["rootfs"]["diff_ids"] == [layer["diffId"] for layer in layers], f"{image}: its layers are others")
        for layer in layers:
            stored = layer.get("packed") or {"digest": layer["diffId"], "size": layer["size"]}
            need(len(blobs[stored["digest"]]) == stored["size"], f"{stored['digest']}: another size")


def restored(bundle, artifact, blobs):
    """The artifact's bytes, or in words why this reader cannot give them."""
    form = artifact.get("form", "file")
    if form == "file":
        content = bundle.members[artifact["name"]]
    elif form == "rebuilt":
        name = artifact["digest"].removeprefix("sha256:")
        size, sha, parts = recipe.read(bundle.members[f".pack/rebuild/{name}.recipe"])
        need((size, sha) == (artifact["size"], artifact["digest"]), f"{artifact['name']}: another's recipe")
        recipe.check_texts(parts, blobs)
        try:
            content = recipe.content_of(parts, blobs, recipe.compressed)
        except recipe.NeedsPack:
            return "its content is there, the original needs pack"
    elif form == "exported":
        return "its images are in oci/"
    else:
        need(form == "detached", f"{artifact['name']}: a form {form!r}")
        beside = bundle.folder / artifact["name"]
        if not beside.exists():
            return "beside the bundle, and not there"
        content = beside.read_bytes()
    need((len(content), digest(content)) == (artifact["size"], artifact["digest"]),
         f"{artifact['name']}: size or digest differs")
    return content


def write(out, name, mode, content):
    name = PurePosixPath(name)
    need(not name.is_absolute() and ".." not in name.parts, f"{name}: leads out of the folder")
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
