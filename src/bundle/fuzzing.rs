//! What holds for any index of a bundle or table of volumes, however it was made: the body of the fuzz target `index`.

use super::Index;
use super::volume_table::VolumeTable;

/// Reads `data` as an index: eight bytes that say where in its bundle it lies, the smallest first, then its JSON.
///
/// # Panics
/// It is accepted, and yet an entry or a frame lies outside of what holds it, or it does not survive being written.
pub fn index(data: &[u8]) {
    let Some((offset, json)) = data.split_first_chunk() else { return };
    let offset = u64::from_le_bytes(*offset);
    if let Ok(Some(table)) = VolumeTable::read(json) {
        let whole = table.whole(offset >> 2);
        assert!(whole.total > whole.index_offset && whole.index_offset > offset >> 2);
    }
    let Ok(index) = Index::read(json, offset) else { return };
    assert_eq!(index.header_size.checked_add(index.payload_size()), Some(offset));
    assert_eq!(index.frames.iter().map(|frame| frame.raw_size).sum::<u64>(), index.raw_size);
    for entry in &index.entries {
        assert!(entry.offset.checked_add(entry.size).is_some_and(|end| end <= index.raw_size), "{}", entry.path);
        assert_eq!(index.entry(entry.path.as_str()), Some(entry));
        assert!(!index.used_by(entry).is_empty(), "{}", entry.path);
    }
    for artifact in &index.artifacts {
        assert!(index.images_of(artifact).len() <= artifact.images.len(), "{}", artifact.name);
    }
    let again = serde_json::to_vec(&index).unwrap_or_else(|error| panic!("{error}"));
    let read = Index::read(&again, offset).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(serde_json::to_vec(&read).ok(), Some(again));
}
