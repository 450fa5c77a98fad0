//! Reading an index. Everything is checked that can be checked without the payload: frames that lie end to end up to the
//! index, entries inside the stream and apart from each other, artifacts whose parts are there.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::carried::{Carried, CarriedArtifact};
use super::index::{DETACHED, IMAGES, Index};
use super::lookup::IndexMaps;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{self, Image, Layer};
use crate::image_ref::ImageRef;
use crate::manifest::{FILE_NAME, Limits, ProductName};

/// Words in `requires` that this reader understands.
const UNDERSTOOD: [&str; 2] = [DETACHED, IMAGES];

/// The longest `requires`, in bytes of JSON.
const LONGEST_REQUIRES: usize = 4 << 10;

/// What is looked at before the index is read, without copying it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline<'a> {
    #[serde(borrow)]
    requires: &'a RawValue,
    #[serde(borrow, default)]
    artifacts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    images: Option<&'a RawValue>,
    #[serde(default)]
    packed_by: String,
}

impl Outline<'_> {
    /// Bounds what reading the index takes in memory.
    fn check_limits(&self) -> Result<()> {
        let limits = Limits::DEFAULT;
        if self.requires.get().len() > LONGEST_REQUIRES {
            return Err(wrong("it requires more than any pack knows"));
        }
        for (list, what) in [(self.artifacts, "artifacts"), (self.images, "images")] {
            let text = list.map_or("", RawValue::get);
            if text.len() > limits.index_list_bytes {
                let limit = limits.index_list_bytes;
                return Err(wrong(format_args!("its {what} take {} bytes; the limit is {limit}", text.len())));
            }
            let values = values_in(text);
            if values > SMALL_LIST && values > text.len() / limits.index_value_bytes {
                return Err(wrong(format_args!("its {what} have {values} values in {} bytes", text.len())));
            }
        }
        Ok(())
    }
}

/// A list of fewer values takes little memory, whatever they are.
const SMALL_LIST: usize = 10_000;

/// The number of values in a JSON text, about: those that a comma follows.
fn values_in(json: &str) -> usize {
    let (mut values, mut in_text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b',' if !in_text => values += 1,
            _ => {}
        }
    }
    values
}

impl Index {
    /// Reads an index and checks it against `index_offset`, where it lies in the file.
    ///
    /// # Errors
    /// It asks for something this reader does not know, or contradicts itself or a limit.
    pub(super) fn read(json: &[u8], index_offset: u64) -> Result<Self> {
        let asked: Outline<'_> = serde_json::from_slice(json).map_err(wrong)?;
        asked.check_limits()?;
        let requires: Vec<String> = serde_json::from_str(asked.requires.get()).map_err(wrong)?;
        if let Some(word) = requires.iter().find(|word| !UNDERSTOOD.contains(&word.as_str())) {
            return Err(needs_newer(word, &asked.packed_by));
        }
        let mut index: Index = serde_json::from_slice(json).map_err(wrong)?;
        index.lookup = IndexMaps::new(&index.frames, &index.entries, &index.artifacts, &index.images);
        index.name.parse::<ProductName>().map_err(wrong)?;
        check_frames(&index, index_offset)?;
        check_entries(&index)?;
        check_sizes(&index)?;
        check_artifacts(&index)?;
        Ok(index)
    }
}

fn check_frames(index: &Index, index_offset: u64) -> Result<()> {
    let limits = Limits::DEFAULT;
    if index.frames.is_empty() || index.frames.len() > limits.frames {
        return Err(wrong(format_args!("{} frames", index.frames.len())));
    }
    let mut stored = index.header_size;
    let mut raw = 0u64;
    for (number, frame) in index.frames.iter().enumerate() {
        if frame.offset != stored {
            return Err(wrong(format_args!("frame {number} begins at {}, not at {stored}", frame.offset)));
        }
        // No zstd frame is longer than this for its content (ZSTD_compressBound): a reader holds both.
        let longest = frame.raw_size.saturating_add(frame.raw_size / 128).saturating_add(1 << 10);
        if frame.size == 0 || frame.raw_size == 0 || frame.raw_size > limits.frame_bytes || frame.size > longest {
            return Err(wrong(format_args!("frame {number} has {} bytes for {}", frame.size, frame.raw_size)));
        }
        stored = stored.checked_add(frame.size).ok_or_else(|| wrong("a frame's size is absurd"))?;
        raw = raw.checked_add(frame.raw_size).ok_or_else(|| wrong("a frame's size is absurd"))?;
        if stored > index_offset {
            return Err(wrong(format_args!("frame {number} ends at {stored}, beyond the index at {index_offset}")));
        }
    }
    if stored != index_offset {
        return Err(wrong(format_args!("the frames end at {stored}, the index begins at {index_offset}")));
    }
    if raw != index.raw_size {
        return Err(wrong(format_args!("the frames hold {raw} bytes, not {}", index.raw_size)));
    }
    Ok(())
}

fn check_entries(index: &Index) -> Result<()> {
    let mut end = 0;
    let mut paths = HashSet::new();
    for entry in &index.entries {
        let inside = entry.offset.checked_add(entry.size).is_some_and(|end| end <= index.raw_size);
        if entry.offset < end || !inside {
            return Err(wrong(format_args!("'{}' does not lie in the payload by itself", entry.path)));
        }
        if entry.mode > 0o777 {
            return Err(wrong(format_args!("'{}' has the mode {:o}", entry.path, entry.mode)));
        }
        if !paths.insert(&entry.path) {
            return Err(wrong(format_args!("'{}' is there twice", entry.path)));
        }
        end = entry.end();
    }
    if index.entry(FILE_NAME).is_none() {
        return Err(wrong("it has no manifest.json"));
    }
    Ok(())
}

/// What is made need not lie in the payload in its own size: sums of these sizes must not wrap around.
fn check_sizes(index: &Index) -> Result<()> {
    let layers = index.images.iter().flat_map(|image| &image.layers);
    let layers = layers.flat_map(|layer| [layer.size, layer.blob().size]);
    let mut sizes = index.artifacts.iter().map(|artifact| artifact.size).chain(layers);
    match sizes.find(|&size| size > Limits::DEFAULT.artifact_bytes) {
        Some(size) => Err(wrong(format_args!("an artifact or a layer has {size} bytes"))),
        None => Ok(()),
    }
}

fn check_artifacts(index: &Index) -> Result<()> {
    if let Some(image) =
        index.images.iter().enumerate().find(|(number, image)| index.lookup.images[&image.id] != *number)
    {
        return Err(wrong(format_args!("the image {} is there twice", image.1.id)));
    }
    let tags: HashMap<&Digest, HashSet<&ImageRef>> =
        index.images.iter().map(|image| (&image.id, image.tags.iter().collect())).collect();
    let whole: HashSet<&Digest> =
        index.images.iter().filter(|image| is_whole(index, image)).map(|image| &image.id).collect();
    for (number, artifact) in index.artifacts.iter().enumerate() {
        let name = artifact.name.as_str();
        // What is made must not come out over what is copied, nor one artifact over another.
        let is_copied = artifact.carried.is_file();
        if index.lookup.artifacts[name] != number || (!is_copied && index.entry(name).is_some()) {
            return Err(wrong(format_args!("two files of the folder have the name '{name}'")));
        }
        let has_tags = |(id, given): (&Digest, &Vec<ImageRef>)| {
            tags.get(id).is_some_and(|tags| given.iter().all(|tag| tags.contains(tag)))
        };
        let has_images =
            artifact.images.iter().all(|id| if is_copied { tags.contains_key(id) } else { whole.contains(id) })
                && (artifact.tags.is_empty() || artifact.tags.len() == artifact.images.len())
                && artifact.images.iter().zip(&artifact.tags).all(has_tags);
        if !has_images || !is_carried(index, artifact) || artifact.mode > 0o777 {
            return Err(wrong(format_args!("'{name}' is not in the payload as the artifact it should be")));
        }
    }
    match &index.run {
        Some(run) if index.artifact(run.as_str()).is_none() => {
            Err(wrong(format_args!("'{run}' is to be run, yet not there")))
        }
        _ => Ok(()),
    }
}

/// Whether everything that the artifact is carried as is there.
fn is_carried(index: &Index, artifact: &CarriedArtifact) -> bool {
    match &artifact.carried {
        Carried::File { .. } => index
            .entry(artifact.name.as_str())
            .is_some_and(|entry| entry.descriptor() == artifact.descriptor() && entry.mode == artifact.mode),
        Carried::Rebuilt { blobs } => {
            let has = |path: String| index.entry(&path).is_some();
            has(image::recipe_path(&artifact.digest)) && blobs.iter().all(|blob| has(image::other_blob_path(blob)))
        }
        Carried::Exported => !artifact.images.is_empty(),
        Carried::Detached { .. } => true,
    }
}

/// Whether the config and every layer of the image are there.
fn is_whole(index: &Index, image: &Image) -> bool {
    let has = |layer: &Layer| {
        index.entry(&image::blob_path(&layer.blob().digest)).is_some_and(|entry| entry.size == layer.blob().size)
    };
    index.entry(&image::blob_path(&image.id)).is_some() && image.layers.iter().all(has)
}

/// The error for a word in `requires` that this reader does not know; the caller, who knows the bundle's name, adds the hint.
pub(super) fn needs_newer(word: &str, packed_by: &str) -> Error {
    Error::failed("the bundle needs a newer pack").fact("requires", word).fact("packed by", packed_by)
}

/// The error for an index that cannot be right; the caller, who knows the bundle's name, adds the hint.
fn wrong(why: impl Display) -> Error {
    Error::integrity("the bundle's index contradicts itself").fact("reason", why)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::layout::Frame;
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (json, values) in [("[]", 0), ("[1,2]", 1), (r#"["a,b\",c",{"d":1,"e":[2,3]}]"#, 3), (r#"["\\",1]"#, 1)] {
            assert_eq!(values_in(json), values, "{json}");
        }
    }

    fn outline(images: &str) -> Result<()> {
        let json = format!("{{\"requires\":[],\"images\":{images}}}");
        serde_json::from_str::<Outline<'_>>(&json).expect("JSON").check_limits()
    }

    #[test]
    fn lists_that_take_much_memory_are_refused() {
        let limits = Limits::DEFAULT;
        let list = |value: &str, count: usize| format!("[{}]", vec![value; count].join(","));
        let padded = format!("\"{}\"", "x".repeat(limits.index_value_bytes - 3));
        assert!(outline(&list(&padded, 2 * SMALL_LIST)).is_ok());
        assert!(outline(&list("\"a:1\"", SMALL_LIST)).is_ok(), "short values, and few");
        assert!(outline(&list("\"a:1\"", 2 * SMALL_LIST)).is_err(), "short values, and many");
        assert!(outline(&list("\"a:1\"", SMALL_LIST + 1)).is_ok(), "as many as are few");
        // Of values that take just as much as they must, one that is shorter makes no difference, and two do.
        let short = |count: usize| [vec!["0"; count], vec![&padded; 2 * SMALL_LIST - count]].concat().join(",");
        assert!(outline(&format!("[{}]", short(1))).is_ok());
        assert!(outline(&format!("[{}]", short(2))).is_err());
        let long = |size: usize| format!("[\"{}\"]", "x".repeat(size - 4));
        assert!(outline(&long(limits.index_list_bytes)).is_ok());
        assert!(outline(&long(limits.index_list_bytes + 1)).is_err());
    }

    #[test]
    fn what_is_required_may_be_as_long_as_the_limit() {
        let outline = |length: usize| {
            let json = format!("{{\"requires\":[\"{}\"]}}", "x".repeat(length - 4));
            serde_json::from_str::<Outline<'_>>(&json).expect("JSON").check_limits()
        };
        assert!(outline(LONGEST_REQUIRES).is_ok() && outline(LONGEST_REQUIRES + 1).is_err());
    }

    /// An index of one frame and two files, where `change` has changed nothing: each number in it is the largest that
    /// can be.
    fn index(change: impl FnOnce(&mut Value)) -> Result<Index> {
        let digest = Digest::of(b"");
        let layer = json!({"diffId": digest, "size": Limits::DEFAULT.artifact_bytes});
        let mut index = json!({
            "requires": [], "packedBy": "x", "name": "x", "version": "1.0.0", "platform": "linux/amd64",
            "headerSize": 10, "headerDigest": digest, "rawSize": 1280,
            "frames": [{"offset": 10, "size": 1280 + 10 + 1024, "rawSize": 1280, "digest": digest}],
            "entries": [
                {"path": "manifest.json", "offset": 0, "size": 280, "mode": 0o644, "digest": digest},
                {"path": "a", "offset": 280, "size": 1000, "mode": 0o777, "digest": digest},
            ],
            "artifacts": [{"name": "a", "kind": "file", "size": 1000, "mode": 0o777, "digest": digest}],
            "images": [{"tags": [], "id": digest, "platform": "linux/amd64", "layers": [layer]}],
        });
        change(&mut index);
        let size = index["frames"][0]["size"].as_u64().expect("a number");
        Index::read(index.to_string().as_bytes(), 10 + size)
    }

    #[test]
    fn each_number_may_be_as_large_as_its_limit() {
        index(|_| ()).expect("just within every limit");
        let refused = |change: fn(&mut Value)| index(change).is_err();
        assert!(refused(|index| index["frames"][0]["size"] = json!(1280 + 10 + 1024 + 1)));
        assert!(refused(|index| index["frames"][0]["size"] = json!(0)));
        assert!(refused(|index| index["entries"][1]["size"] = json!(1001)));
        assert!(refused(|index| index["entries"][1]["offset"] = json!(279)));
        assert!(refused(|index| index["entries"][0]["mode"] = json!(0o1000)));
        assert!(refused(|index| index["images"][0]["layers"][0]["size"] = json!(Limits::DEFAULT.artifact_bytes + 1)));
    }

    #[test]
    fn there_may_be_as_many_frames_as_the_limit() {
        let mut index = index(|_| ()).expect("an index");
        let frame = |number: usize| Frame { offset: 10 + number as u64, size: 1, raw_size: 1, ..index.frames[0] };
        let mut frames: Vec<Frame> = (0..=Limits::DEFAULT.frames).map(frame).collect();
        frames.pop();
        (index.raw_size, index.frames) = (frames.len() as u64, frames);
        let end = 10 + index.raw_size;
        check_frames(&index, end).expect("as many as the limit");
        index.frames.push(Frame { offset: end, ..index.frames[0] });
        index.raw_size += 1;
        assert!(check_frames(&index, end + 1).is_err());
    }
}
