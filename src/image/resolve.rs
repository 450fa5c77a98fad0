//! From an archive's members to its images: Docker's `manifest.json`, or an OCI image layout's `index.json`.
//!
//! Docker writes `manifest.json` in every form of `docker save` since 1.10, also beside an `index.json`, which may list more
//! platforms; podman and skopeo write it in a `docker-archive`. An `oci-archive` has `index.json` alone.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::de::DeserializeOwned;

use super::archive::{ArchiveFile, ArchiveMembers};
use super::fault::ArchiveFault;
use super::limits::ImageLimits;
use super::oci::{Described, DescribedPlatform, DockerImage, ImageConfig, ImageIndex, ImageManifest, blob_member};
use super::tag::{self, check_tags};
use super::unpacker::Decompressed;
use super::{Image, Layer, Packed};
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, Result};
use crate::image_ref::ImageRef;
use crate::platform::Platform;

/// Configs by image ID.
type Configs = BTreeMap<Digest, Vec<u8>>;

/// The hint for an image that is not for the platform it should be for.
const OTHER_PLATFORM: &str =
    "save the image for the right platform: docker pull --platform …, or correct the manifest's 'platform'";

/// Finds the images in the members of an archive.
pub(super) struct Resolver<'a> {
    pub(super) artifact: &'a str,
    pub(super) members: &'a ArchiveMembers,
    pub(super) platform: Option<Platform>,
    pub(super) limits: ImageLimits,
}

/// An image as an archive lists it, before it is checked.
struct ListedImage {
    tags: Vec<ImageRef>,
    config: String,
    layers: Vec<String>,
}

/// The images of an archive.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Each once, checked.
    pub(super) images: Vec<Image>,
    pub(super) configs: Configs,
    /// What is listed without being there, and is not needed: a sentence each.
    pub(super) passed_over: Vec<String>,
}

/// What was found in the indexes of an OCI layout.
#[derive(Default)]
struct Walk {
    listed: Vec<ListedImage>,
    /// How many descriptors were looked at.
    visited: usize,
    /// How many indexes lie around the one that is looked at.
    depth: usize,
    /// What else was found: media types, or words for it.
    others: BTreeSet<String>,
    /// What else is listed and not in the archive.
    absent: BTreeSet<String>,
}

impl Resolver<'_> {
    /// Every image of the archive, checked, and the configs by image ID.
    pub(super) fn images(&self) -> Result<Resolved> {
        let Walk { listed, absent, .. } = if self.members.has("manifest.json") {
            self.with_platforms_beside(self.docker()?)?
        } else if self.members.has("index.json") {
            self.oci()?
        } else if self.members.has("repositories") {
            return Err(self.bad(ArchiveFault::new(
                "repositories",
                "the archive is of Docker before 1.10, which gave its images no digest",
            )));
        } else {
            return Err(self.bad(ArchiveFault::new(
                "manifest.json",
                "the archive has neither Docker's manifest.json nor an OCI index.json",
            )));
        };
        if listed.is_empty() || listed.len() > self.limits.images {
            let why = format!("it lists {} images; 1 to {} are read", listed.len(), self.limits.images);
            return Err(self.bad(ArchiveFault::new(self.listing(), why)));
        }
        let listed = self.chosen(listed)?;
        let mut images: Vec<Image> = Vec::new();
        let mut configs = BTreeMap::new();
        for listed in listed {
            let (image, config) = self.image(listed)?;
            configs.insert(image.id, config);
            match images.iter_mut().find(|known| known.id == image.id) {
                Some(known) => {
                    let new = image.tags.into_iter().filter(|tag| !known.tags.contains(tag)).collect::<Vec<_>>();
                    known.tags.extend(new);
                }
                None => images.push(image),
            }
        }
        check_tags(images.iter().map(|image| (self.artifact, image)))
            .map_err(|error| error.fact("member", self.listing()))?;
        let passed_over = absent.iter().map(|what| format!("{what} is listed, but is not in the archive: passed over"));
        Ok(Resolved { images, configs, passed_over: passed_over.collect() })
    }

    /// The member that lists the images.
    fn listing(&self) -> &'static str {
        if self.members.has("manifest.json") { "manifest.json" } else { "index.json" }
    }

    fn bad(&self, fault: ArchiveFault) -> Error {
        fault.error(self.artifact)
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let bytes = self.members.json(path, &self.limits).map_err(|fault| self.bad(fault))?;
        serde_json::from_slice(bytes)
            .map_err(|error| self.bad(ArchiveFault::new(path, format!("its JSON is not as it must be: {error}"))))
    }

    fn docker(&self) -> Result<Walk> {
        let images: Vec<DockerImage> = self.read("manifest.json")?;
        let listed = |image: DockerImage| {
            let tags = image.repo_tags.iter().map(|tag| ImageRef::tagged(tag)).collect::<Result<_, _>>();
            let tags = tags.map_err(|why| self.bad(ArchiveFault::new("manifest.json", why.to_string())))?;
            Ok(ListedImage { tags, config: image.config, layers: image.layers })
        };
        Ok(Walk { listed: images.into_iter().map(listed).collect::<Result<_>>()?, ..Walk::default() })
    }

    /// Adds what `index.json` has for the wanted platform where Docker's list has the same names for another: an engine that
    /// keeps images in containerd saves every platform that it has, and lists that of its own host alone.
    fn with_platforms_beside(&self, mut walk: Walk) -> Result<Walk> {
        if !self.members.has("index.json") {
            return Ok(walk);
        }
        let mut others = Vec::new();
        for one in &walk.listed {
            if !self.fits(one)? {
                others.push(one.tags.clone());
            }
        }
        if others.is_empty() {
            return Ok(walk);
        }
        // One that is of no use leaves it at Docker's list, of which it is told that it has another platform.
        for mut one in self.oci().map(|beside| beside.listed).unwrap_or_default() {
            // An index has an entry for each name, and writes names in full.
            let is_named = |tags: &&Vec<ImageRef>| tags.iter().any(|tag| names(&one.tags, tag));
            let Some(tags) = others.iter().find(is_named).filter(|_| self.fits(&one).is_ok_and(|fits| fits)) else {
                continue;
            };
            one.tags.clone_from(tags);
            if !walk.listed.iter().any(|known| known.config == one.config && known.tags == one.tags) {
                walk.listed.push(one);
            }
        }
        Ok(walk)
    }

    fn oci(&self) -> Result<Walk> {
        let mut walk = Walk::default();
        let index: ImageIndex = self.read("index.json")?;
        self.index("index.json", index, &[], &mut walk)?;
        let others: Vec<String> = walk
            .others
            .iter()
            .cloned()
            .chain(walk.absent.iter().map(|what| format!("{what}, which is absent")))
            .collect();
        if walk.listed.is_empty() && !others.is_empty() {
            let why = format!("it lists no image, only: {}", others.join(", "));
            return Err(self.bad(ArchiveFault::new("index.json", why)));
        }
        Ok(walk)
    }

    fn index(&self, member: &str, index: ImageIndex, tags: &[ImageRef], walk: &mut Walk) -> Result<()> {
        // Indexes that name one another are bounded in all too: each may name the same one many times.
        walk.visited += index.manifests.len();
        if walk.depth > self.limits.nested_indexes || walk.visited > self.limits.images {
            let why = "it lists too many images, or indexes lie too deep in one another";
            return Err(self.bad(ArchiveFault::new(member, why)));
        }
        let several = index.manifests.len() > 1 && walk.depth > 0;
        // What is signed or attested of images lies beside them.
        let mut manifests = index.manifests;
        manifests.retain(|described| {
            let other = described.is_of_other().or(described.is_attestation().then_some("attestations"));
            walk.others.extend(other.map(str::to_owned));
            other.is_none()
        });
        if several && !manifests.is_empty() {
            let offered: Vec<String> =
                manifests.iter().filter_map(|one| one.platform.as_ref()).map(ToString::to_string).collect();
            manifests.retain(|described| self.wants(described.platform.as_ref()));
            if let Some(wanted) = self.platform
                && manifests.is_empty()
            {
                return Err(Error::failed("an image is for other platforms")
                    .fact("artifact", self.artifact)
                    .fact("member", member)
                    .fact("expected", wanted)
                    .fact("actual", offered.join(", "))
                    .hint(OTHER_PLATFORM));
            }
        }
        for described in manifests {
            if let Some(what) = self.not_wanted(&described).filter(|_| !self.is_complete(&described)) {
                walk.absent.insert(what);
                continue;
            }
            let path = self.blob(member, &described)?;
            if described.is_index() {
                let own = self.name_of(member, &described)?;
                let inner: ImageIndex = self.read(&path)?;
                walk.depth += 1;
                self.index(&path, inner, own.as_ref().map_or(tags, std::slice::from_ref), walk)?;
                walk.depth -= 1;
                continue;
            }
            let manifest: ImageManifest = self.read(&path)?;
            if let Some(other) = manifest.is_of_other() {
                walk.others.insert(other.to_owned());
                continue;
            }
            let own = self.name_of(member, &described)?;
            let config = self.blob(&path, &manifest.config)?;
            let layers = manifest.layers.iter().map(|layer| self.blob(&path, layer)).collect::<Result<_>>()?;
            walk.listed.push(ListedImage {
                tags: own.as_ref().map_or(tags, std::slice::from_ref).to_vec(),
                config,
                layers,
            });
        }
        Ok(())
    }

    /// What `described` says that it is, where that is not an image for the wanted platform. Only what is wanted must be
    /// there: a copy of an image of several platforms may have one of them alone.
    fn not_wanted(&self, described: &Described) -> Option<String> {
        if described.is_index() {
            return None;
        }
        let platform = described.platform.as_ref().filter(|platform| !self.wants(Some(platform)));
        let what = described.artifact_type().map(str::to_owned).or(platform.map(ToString::to_string))?;
        Some(described.name().map_or(what.clone(), |name| format!("{name} ({what})")))
    }

    /// Whether the archive has a manifest and all that it names.
    fn is_complete(&self, described: &Described) -> bool {
        let path = |one: &Described| one.blob().ok().map(|blob| blob_member(&blob.digest));
        let has = |one: &Described| path(one).is_none_or(|path| self.members.has(&path));
        let Some(manifest) = path(described).filter(|path| self.members.has(path)) else { return false };
        // What cannot be read is told where it is read.
        let manifest = self.read::<ImageManifest>(&manifest).ok();
        manifest.is_none_or(|manifest| has(&manifest.config) && manifest.layers.iter().all(has))
    }

    /// The name that an index annotates.
    fn name_of(&self, member: &str, described: &Described) -> Result<Option<ImageRef>> {
        let name = described.name().map(tag::from_annotation).transpose();
        Ok(name.map_err(|why| self.bad(ArchiveFault::new(member, why.to_string())))?.flatten())
    }

    /// Of images under the same names, those for the wanted platform, if there is one among them.
    fn chosen(&self, listed: Vec<ListedImage>) -> Result<Vec<ListedImage>> {
        let fits = listed.iter().map(|one| self.fits(one)).collect::<Result<Vec<_>>>()?;
        let served: HashSet<Vec<ImageRef>> =
            listed.iter().zip(&fits).filter(|(_, fits)| **fits).map(|(one, _)| one.tags.clone()).collect();
        let chosen = listed.into_iter().zip(fits).filter(|(one, fits)| *fits || !served.contains(&one.tags));
        Ok(chosen.map(|(one, _)| one).collect())
    }

    /// Whether an image is for the wanted platform, by its config.
    fn fits(&self, listed: &ListedImage) -> Result<bool> {
        let Some(wanted) = self.platform else { return Ok(true) };
        Ok(self.read::<ImageConfig>(&listed.config)?.platform() == wanted.as_str())
    }

    fn wants(&self, found: Option<&DescribedPlatform>) -> bool {
        match (self.platform, found) {
            (Some(wanted), Some(found)) => wanted.as_str() == found.to_string(),
            _ => true,
        }
    }

    /// The path of a blob, whose size and digest are as its descriptor says.
    fn blob(&self, member: &str, described: &Described) -> Result<String> {
        let expected = described
            .blob()
            .map_err(|why| self.bad(ArchiveFault::new(member, format!("it names a blob, but {why}"))))?;
        let path = blob_member(&expected.digest);
        let actual = self.file(&path)?.descriptor;
        if actual == expected {
            return Ok(path);
        }
        Err(Error::integrity("a blob of the image archive is not what its name says")
            .fact("artifact", self.artifact)
            .fact("member", &path)
            .fact("expected", shown(expected))
            .fact("actual", shown(actual))
            .hint("the archive was damaged before it was pinned: save the image again"))
    }

    fn file(&self, path: &str) -> Result<&ArchiveFile> {
        self.members.file(path).map_err(|fault| self.bad(fault))
    }

    fn image(&self, listed: ListedImage) -> Result<(Image, Vec<u8>)> {
        let config: ImageConfig = self.read(&listed.config)?;
        let file = self.file(&listed.config)?;
        let bytes = file.bytes.clone().unwrap_or_default();
        let id = file.descriptor.digest;
        let name = listed.tags.first().map_or_else(|| id.to_string(), ImageRef::to_string);
        let stem = listed.config.rsplit('/').next().unwrap_or_default();
        let stem = stem.strip_suffix(".json").unwrap_or(stem);
        if stem.len() == 64 && stem != id.hex() {
            return Err(Error::integrity("an image's config is not what its name says")
                .fact("artifact", self.artifact)
                .fact("image", &name)
                .fact("member", &listed.config)
                .fact("actual", id)
                .hint("the archive was damaged or changed before it was pinned: save the image again"));
        }
        let platform = config.platform();
        if let Some(wanted) = self.platform
            && wanted.as_str() != platform
        {
            return Err(Error::failed("an image is for another platform")
                .fact("artifact", self.artifact)
                .fact("image", &name)
                .fact("member", &listed.config)
                .fact("expected", wanted)
                .fact("actual", &platform)
                .hint(OTHER_PLATFORM));
        }
        let diff_ids = config.diff_ids();
        let (count, listed_count) = (diff_ids.len(), listed.layers.len());
        if count != listed_count || count > self.limits.layers {
            let why = if count == listed_count {
                format!("its config has {count} layers; the limit is {}", self.limits.layers)
            } else {
                format!("its config has {count} layers, the archive lists {listed_count}")
            };
            return Err(self.bad(ArchiveFault::new(&listed.config, why)).fact("image", &name));
        }
        let layers = diff_ids
            .iter()
            .zip(&listed.layers)
            .map(|(diff_id, path)| self.layer(&name, diff_id, path))
            .collect::<Result<_>>()?;
        Ok((Image { tags: listed.tags, id, platform, layers }, bytes))
    }

    fn layer(&self, image: &str, diff_id: &str, path: &str) -> Result<Layer> {
        let expected: Digest = diff_id.parse().map_err(|why| {
            self.bad(ArchiveFault::new(path, format!("its diff_id is wrong: {why}"))).fact("image", image)
        })?;
        let file = self.file(path)?;
        let Descriptor { digest, size } = file.descriptor;
        let unusable = |why: String| self.bad(ArchiveFault::new(path, why)).fact("image", image);
        let (actual, packed) = match &file.decompressed {
            None => (file.descriptor, None),
            // Only the name of its first file looks like another format.
            Some(Err(_)) if digest == expected => (file.descriptor, None),
            Some(Err(why)) => return Err(unusable(format!("the layer cannot be unpacked: {why}"))),
            Some(Ok(Decompressed { content, inner: Some(inner), codec })) if content.digest != expected => {
                let why = format!("the layer is compressed twice, with {} in {}", inner.name(), codec.name());
                return Err(unusable(why));
            }
            Some(Ok(Decompressed { content, codec, .. })) => (*content, Some(Packed { digest, size, codec: *codec })),
        };
        if actual.digest == expected {
            return Ok(Layer { diff_id: expected, size: actual.size, packed });
        }
        Err(Error::integrity("an image's layer is not what its config says")
            .fact("artifact", self.artifact)
            .fact("image", image)
            .fact("layer", path)
            .fact("expected", expected)
            .fact("actual", actual.digest)
            .hint("the archive was damaged or changed before it was pinned: save the image again"))
    }
}

fn shown(descriptor: Descriptor) -> String {
    format!("{} bytes, {}", descriptor.size, descriptor.digest)
}

/// Whether one of `tags` is another way to write `tag`.
fn names(tags: &[ImageRef], tag: &ImageRef) -> bool {
    tags.iter().any(|one| one.canonical() == tag.canonical())
}
