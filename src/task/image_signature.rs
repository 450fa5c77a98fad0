//! Images that others have signed: `pack lock --cosign-key`.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fetch::CosignKey;
use crate::manifest::Artifact;

/// Whether the image's signature is still to be checked with `key`, although it may be pinned.
pub(super) fn is_open(artifact: &Artifact, key: Option<&CosignKey>) -> bool {
    key.is_some_and(|key| artifact.cosign_key != Some(key.fingerprint())) && artifact.registry_refs().next().is_some()
}

/// Checks that no image which was signed with a key is pinned without it now, or with another: nobody would see that its
/// signature is gone.
///
/// # Errors
/// One is, in `open`, the artifacts that are to be pinned.
pub(super) fn check_key(open: &[Artifact], key: Option<&CosignKey>, manifest: &Path) -> Result<()> {
    let found = key.map(CosignKey::fingerprint);
    let other = open.iter().find_map(|artifact| Some((artifact, artifact.cosign_key.filter(|it| Some(*it) != found)?)));
    let Some((artifact, expected)) = other else { return Ok(()) };
    let title = match key {
        None => "the image was pinned because a key had signed it, and this run has no key",
        Some(_) => "the image was pinned because another key had signed it",
    };
    let mut error = Error::failed(title)
        .fact("manifest", manifest.display())
        .fact("artifact", &artifact.id)
        .fact("expected key", expected);
    if let (Some(key), Some(found)) = (key, found) {
        error = error.fact("key", format_args!("{} ({found})", key.path().display()));
    }
    Err(error.hint("give that key with --cosign-key; if it is none of the publisher's any more, take cosignKey out of the artifact first"))
}
