//! Which artifacts are new, gone, or have other bytes.

use std::collections::{HashMap, HashSet, VecDeque};

use super::side::{Listed, SideArtifact};
use crate::digest::Digest;
use crate::manifest::ArtifactId;

/// What became of an artifact or image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the new side has it.
    Added,
    /// Only the old side has it.
    Removed,
    /// Both have it, with other bytes.
    Changed,
    /// The same bytes under another name or for another platform.
    Moved,
    /// Both have it, and one or both do not pin it: nobody can say whether it is the same.
    Unpinned,
    /// Both have the same.
    Unchanged,
}

impl Change {
    /// Every change, as a summary lists them.
    pub const ALL: [Change; 6] =
        [Change::Added, Change::Removed, Change::Changed, Change::Moved, Change::Unpinned, Change::Unchanged];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
            Change::Moved => "moved",
            Change::Unpinned => "unpinned",
            Change::Unchanged => "unchanged",
        }
    }
}

/// What became of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactChange {
    /// Only the new side has it.
    Added(Listed),
    /// Only the old side has it.
    Removed(Listed),
    /// Both have it, or it has moved: the old one, the new one.
    Both(Change, Listed, Listed),
}

impl ArtifactChange {
    /// What became of it.
    pub fn change(&self) -> Change {
        match self {
            ArtifactChange::Added(_) => Change::Added,
            ArtifactChange::Removed(_) => Change::Removed,
            ArtifactChange::Both(change, ..) => *change,
        }
    }

    /// Whether both have the same.
    pub fn is_unchanged(&self) -> bool {
        self.change() == Change::Unchanged
    }

    /// As the old side lists it.
    pub fn before(&self) -> Option<&Listed> {
        match self {
            ArtifactChange::Added(_) => None,
            ArtifactChange::Removed(old) | ArtifactChange::Both(_, old, _) => Some(old),
        }
    }

    /// As the new side lists it.
    pub fn after(&self) -> Option<&Listed> {
        match self {
            ArtifactChange::Removed(_) => None,
            ArtifactChange::Added(new) | ArtifactChange::Both(_, _, new) => Some(new),
        }
    }

    /// As the new side lists it, or else the old one.
    pub fn latest(&self) -> &Listed {
        match self {
            ArtifactChange::Added(one) | ArtifactChange::Removed(one) | ArtifactChange::Both(_, _, one) => one,
        }
    }
}

/// Every artifact of both sides, in the order of `new`; then what only `old` has, in its order.
pub(super) fn compare(old: &[SideArtifact], new: &[SideArtifact]) -> Vec<ArtifactChange> {
    let before: HashMap<&ArtifactId, &Listed> = old.iter().map(|one| (&one.listed.id, &one.listed)).collect();
    let after: HashSet<&ArtifactId> = new.iter().map(|one| &one.listed.id).collect();
    let gone = || old.iter().map(|one| &one.listed).filter(|listed| !after.contains(&listed.id));
    let mut may_have_moved: HashMap<Digest, VecDeque<&Listed>> = HashMap::new();
    for listed in gone() {
        if let Some(digest) = listed.digest {
            may_have_moved.entry(digest).or_default().push_back(listed);
        }
    }
    let mut moved: HashSet<&ArtifactId> = HashSet::new();
    let mut changes = Vec::with_capacity(new.len());
    for SideArtifact { listed, .. } in new {
        let (new, change) = (listed.clone(), |old: &Listed| match (old.digest, listed.digest) {
            (Some(old), Some(new)) if old == new => Change::Unchanged,
            (Some(_), Some(_)) => Change::Changed,
            _ => Change::Unpinned,
        });
        let from = || may_have_moved.get_mut(&listed.digest?)?.pop_front();
        changes.push(match before.get(&listed.id) {
            Some(&old) => ArtifactChange::Both(change(old), old.clone(), new),
            None => match { from }() {
                Some(old) => {
                    moved.insert(&old.id);
                    ArtifactChange::Both(Change::Moved, old.clone(), new)
                }
                None => ArtifactChange::Added(new),
            },
        });
    }
    changes.extend(gone().filter(|listed| !moved.contains(&listed.id)).cloned().map(ArtifactChange::Removed));
    changes
}
