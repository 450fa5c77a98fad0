//! Locking: the publisher pins what a manifest lists, in place.

use std::path::{Path, PathBuf};

use semver::Version;
use url::Url;

use super::from_engine::Unsaved;
use super::image_signature;
use super::manifest_url::{is_meant_as_url, manifest_url};
use super::replace_manifest::replace;
use super::sign_again::sign_again;
use super::signed::Signed;
use super::trust::Trust;
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, IoContext, Result};
use crate::fetch::{self, FetchedPin, Fetcher, ResolvedTag};
use crate::manifest::edit::{with_cosign_keys, with_pins, with_tags, with_version};
use crate::manifest::registry_ref::RegistryRef;
use crate::manifest::{Artifact, ArtifactId, FILE_NAME, Manifest};
use crate::path::shell_word;
use crate::progress::{Progress, Silent};
use crate::release::{pin_again, read_manifest_text};
use crate::signature::{EXTENSION, PublicKey};

/// What of that which is pinned already is fetched too, and pinned to what it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Nothing.
    No,
    /// The artifacts of these names, on every platform.
    Only(Vec<String>),
    /// Everything.
    All,
}

/// What to pin.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// What is pinned again.
    pub update: Update,
    /// The version to write into the manifest. What has another URL with it is pinned again.
    pub set_version: Option<Version>,
    /// How to fetch, and the key by which images in registries must be signed.
    pub network: fetch::Options,
    /// The publisher's key: a signature beside the manifest must be this one's.
    pub trust: Trust,
}

impl Options {
    /// The options of the same command, as they are typed.
    fn words(&self) -> String {
        let mut words = match &self.update {
            Update::No => String::new(),
            Update::Only(names) => {
                names.iter().map(|name| format!(" --update={}", shell_word(Path::new(name)))).collect()
            }
            Update::All => " --update".to_owned(),
        };
        if let Some(version) = &self.set_version {
            words.push_str(&format!(" --set-version {version}"));
        }
        if let Some(key) = &self.network.cosign_key {
            words.push_str(&format!(" --cosign-key {}", shell_word(key.path())));
        }
        words
    }
}

/// What was pinned.
#[derive(Debug)]
pub struct Report {
    /// The manifest's version.
    pub version: Version,
    /// Whether the file has changed.
    pub changed: bool,
    /// The artifacts that were fetched, in the manifest's order.
    pub pinned: Vec<NewPin>,
    /// Those that were saved from an engine into files beside the manifest.
    pub saved: Vec<ArtifactId>,
}

/// An artifact's new pin.
#[derive(Debug)]
pub struct NewPin {
    /// The artifact.
    pub id: ArtifactId,
    /// Its size and digest.
    pub descriptor: Descriptor,
    /// What its tags in registries stand for.
    pub tags: Vec<ResolvedTag>,
    /// The fingerprint of the key by which the image in a registry was found to be signed.
    pub cosign_key: Option<Digest>,
}

impl Update {
    fn names(&self, artifact: &Artifact) -> bool {
        match self {
            Update::No => false,
            Update::Only(names) => names.iter().any(|name| name == artifact.id.name.as_str()),
            Update::All => true,
        }
    }

    /// Checks that every name is an artifact's.
    fn check(&self, manifest: &Manifest, shown: &Path) -> Result<()> {
        let Update::Only(names) = self else { return Ok(()) };
        let is_known = |name: &&String| manifest.artifacts().iter().any(|artifact| artifact.id.name.as_str() == **name);
        let Some(unknown) = names.iter().find(|name| !is_known(name)) else { return Ok(()) };
        Err(Error::usage(format_args!("the manifest has no artifact '{unknown}'"))
            .fact("manifest", shown.display())
            .hint(format_args!("its names: pack download --list {}", shell_word(shown))))
    }
}

/// Fetches what is not pinned, and writes its size and digest into the manifest. Nothing else in the file changes, but for
/// the version, where one is to be set. What comes from an engine of this machine is saved first, into files beside the
/// manifest.
///
/// # Errors
/// The manifest is not valid, has no artifact of a name, has changed meanwhile, or an artifact cannot be had; those that
/// could are pinned, unless there is to be another version: then nothing is written.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    if let Some(text) = options.manifest.to_str().filter(|text| is_meant_as_url(text)) {
        let pin = Url::parse(text).map_or_else(|_| format!("pack lock {FILE_NAME}"), |url| pin_again(&url));
        return Err(Error::usage("a manifest is pinned in place, and a URL is no place to write to")
            .hint(format_args!("download the manifest, and pin it there: {pin}")));
    }
    // The file itself, not a link to it, is what gets new content.
    let path = options.manifest.canonicalize().doing("find the manifest", &options.manifest)?;
    let text = read_manifest_text(&path).doing("read the manifest", &path)?;
    let origin = options.manifest.display().to_string();
    let before = Manifest::parse(text, &origin)?;
    options.update.check(&before, &options.manifest)?;
    let manifest = match &options.set_version {
        Some(version) => Manifest::parse(with_version(&before, version)?, &origin)?,
        None => before.clone(),
    };
    let key = options.network.cosign_key.as_ref();
    // The same artifacts in the same order: only the version is another.
    let both = manifest.artifacts().iter().zip(before.artifacts());
    let open: Vec<Artifact> = both
        .clone()
        .map(|(artifact, old)| (artifact, options.update.names(artifact) || artifact.urls != old.urls))
        .filter(|(artifact, is_updated)| *is_updated || is_open(artifact) || image_signature::is_open(artifact, key))
        // To update is to fetch as if there was no pin.
        .map(|(artifact, is_updated)| if is_updated { without_pins(artifact) } else { artifact.clone() })
        .collect();
    image_signature::check_key(&open, key, &options.manifest)?;
    let is_another = manifest.version() != before.version();
    check_unsigned(options, &path, &before, !open.is_empty() || is_another)?;
    if is_another {
        let old = before.version().to_string();
        let stays = |(artifact, old_artifact): &(&Artifact, &Artifact)| {
            artifact.urls == old_artifact.urls && artifact.urls.iter().any(|url| url.contains(&old))
        };
        for (artifact, _) in both.filter(stays) {
            progress.note(&format!(
                "{}: its URL has {old} in it and stays as it is; with ${{version}} in that place it would follow",
                artifact.id
            ));
        }
    }
    let old_pin = |id: &ArtifactId| before.artifacts().iter().find(|old| old.id == *id).and_then(|old| old.pin);
    let is_closed = |artifact: &&Artifact| open.iter().all(|one| one.id != artifact.id);
    let unsaved: Vec<Unsaved<'_>> = open
        .iter()
        .filter_map(|artifact| Unsaved::open(artifact, old_pin(&artifact.id)))
        .chain(manifest.artifacts().iter().filter(is_closed).filter_map(|artifact| Unsaved::lost(artifact, &path)))
        .collect();
    if !unsaved.is_empty() {
        progress.phase("saving");
        progress.plan(unsaved.len(), None);
        unsaved.iter().try_for_each(|one| one.save(&path, progress))?;
    }
    let (pins, failure) = if open.is_empty() {
        (Vec::new(), None)
    } else {
        let base = manifest_url(Some(path.as_os_str()))?;
        progress.phase("pinning");
        Fetcher::new(options.network.clone())?.pin(&open, &base, progress)
    };
    let of_pin = |pin: &FetchedPin| {
        pin.tags.iter().map(|tag| (pin.id.clone(), tag.reference.clone(), tag.manifest)).collect::<Vec<_>>()
    };
    let tags: Vec<_> = pins.iter().flat_map(of_pin).collect();
    let text = with_tags(&manifest, &tags)?;
    let resolved = Manifest::parse(text, &options.manifest.display().to_string())?;
    let descriptors: Vec<_> = pins.iter().map(|pin| (pin.id.clone(), pin.descriptor)).collect();
    let pinned = Manifest::parse(with_pins(&resolved, &descriptors)?, &options.manifest.display().to_string())?;
    let keys: Vec<_> = pins.iter().filter_map(|pin| Some((pin.id.clone(), pin.cosign_key?))).collect();
    let text = with_cosign_keys(&pinned, &keys)?;
    let failure = match failure {
        // A pin of the old version beside a URL of the new one would be wrong.
        Some(error) if is_another => {
            return Err(error.fact("manifest", format_args!("{}: nothing was written", options.manifest.display())));
        }
        other => other,
    };
    let changed = text != before.text();
    if changed {
        replace(&path, (before.text(), &text), &format!("pack lock {}", shell_word(&path)))?;
    }
    let new = |pin: FetchedPin| {
        let FetchedPin { id, descriptor, tags, cosign_key } = pin;
        NewPin { id, descriptor, tags, cosign_key }
    };
    let pinned: Vec<NewPin> = pins.into_iter().map(new).collect();
    let saved = unsaved.iter().map(|one| one.artifact.id.clone()).collect();
    match failure {
        None => Ok(Report { version: manifest.version().clone(), changed, pinned, saved }),
        Some(error) if pinned.is_empty() => Err(error),
        // What was pinned is right whatever became of the others, and stays.
        Some(error) => {
            let ids: Vec<String> = pinned.iter().map(|pin| pin.id.to_string()).collect();
            Err(error.fact("pinned all the same", ids.join(", ")))
        }
    }
}

/// Whether something of the artifact is not pinned: its size, its digest, or a tag in a registry.
pub(super) fn is_open(artifact: &Artifact) -> bool {
    artifact.pin.is_none_or(|pin| pin.size.is_none()) || artifact.registry_refs().any(|reference| reference.is_open())
}

/// The artifact as if nobody had pinned it: its tags are resolved again.
fn without_pins(artifact: &Artifact) -> Artifact {
    let unpinned = |url: &String| RegistryRef::parse(url).map_or_else(|_| url.clone(), |it| it.unpinned().to_string());
    Artifact { pin: None, urls: artifact.urls.iter().map(unpinned).collect(), ..artifact.clone() }
}

/// Checks that no signature lies beside the manifest that is not of it, or would not be once it is pinned.
fn check_unsigned(options: &Options, path: &Path, manifest: &Manifest, changes: bool) -> Result<()> {
    let shown = &options.manifest;
    // A manifest that nobody has signed yet is no fault here, whatever key there is: signing comes next.
    let claimed = Trust::default().check_file(path, manifest, &Silent)?;
    if claimed == Signed::No {
        return Ok(());
    }
    let mut signature = shown.as_os_str().to_owned();
    signature.push(format!(".{EXTENSION}"));
    let signature = Path::new(&signature);
    let key = options.trust.key.as_ref().map(PublicKey::id);
    let again = sign_again(shown, key.as_deref().or(claimed.key_id()));
    // What is not pinned cannot be signed: then pinning comes first, and before that the old signature goes.
    let hint = if changes {
        let again_so = options.words();
        format!("rm {} && pack lock{again_so} {} && {again}", shell_word(signature), shell_word(shown))
    } else {
        again
    };
    let hint = format!("to sign it again: {hint}");
    claimed.check_fits(manifest, shown).map_err(|error| error.hint(&hint))?;
    options.trust.check_file(path, manifest, &Silent).map_err(|error| error.hint(&hint))?;
    if !changes {
        return Ok(());
    }
    Err(Error::failed("the manifest is signed, and to pin it is to change what was signed")
        .fact("manifest", shown.display())
        .fact("signature", signature.display())
        .hint(hint))
}
