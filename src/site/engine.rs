//! The container engine, asked through the host's `docker` command.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::question::{ask, ask_of_several, ask_once, expect_answers, not_started};
use super::silence::{Silence, quiet};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{BlobSource, Image, manifest_digest};
use crate::in_order::InOrder;
use crate::language::tr;

/// What the engine says an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Its ID: the digest of its config, or of its manifest where the engine keeps images in containerd.
    pub(super) id: String,
    /// The digests of its layers, base first.
    pub(super) layers: Vec<Digest>,
}

/// What the engine knows of `image`, a tag or an ID; `None` when it has no such image.
///
/// # Errors
/// It does not answer: nobody can tell.
pub(super) fn look_up(image: &str) -> Result<Option<Known>> {
    Ok(inspect(&[image])?.into_iter().next())
}

/// Every image the engine has, as far as it tells: of one that it does not tell of, every layer is sent.
///
/// # Errors
/// It does not answer.
pub(super) fn all() -> Result<Vec<Known>> {
    let ids = ids()?.unwrap_or_default();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let known: Vec<Vec<Known>> = ids.chunks(200).map(inspect).collect::<Result<_>>()?;
    Ok(known.into_iter().flatten().collect())
}

/// The IDs of every image the engine has, also of those that it can tell no more of; `None` when it does not list them.
///
/// # Errors
/// It does not answer.
pub(super) fn ids() -> Result<Option<BTreeSet<String>>> {
    let listed = ask(&["image", "ls", "--all", "--quiet", "--no-trunc"])?;
    Ok(listed.map(|listed| listed.lines().map(str::to_owned).in_order()))
}

fn inspect(images: &[&str]) -> Result<Vec<Known>> {
    // All of `RootFS`: of an image without layers, Docker 20.10 has no `Layers` in it, and cannot tell them alone.
    let mut words = vec!["image", "inspect", "--format", "{{.Id}} {{json .RootFS}}"];
    words.extend(images);
    // Of several images it tells what it can, and then that it cannot tell of one.
    let (answer, agreed) = ask_of_several(&words)?;
    let lines: Vec<&str> = answer.lines().filter(|line| !line.is_empty()).collect();
    let known: Vec<Known> = lines.iter().filter_map(|line| Known::read(line)).collect();
    if agreed && (known.len() != images.len() || lines.len() != images.len()) {
        // What is not understood says nothing of what is there.
        return Err(Error::failed(tr!("an answer of the container engine is not understood"))
            .fact("command", "docker image inspect")
            .fact("images", images.len())
            .fact("answer", answer.chars().take(300).collect::<String>())
            .hint(tr!("see what it says of them: docker version; docker image ls --all")));
    }
    Ok(known)
}

impl Known {
    /// What a line of the engine's says.
    fn read(line: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct RootFs {
            #[serde(rename = "Layers")]
            layers: Option<Vec<Digest>>,
        }
        let (id, rootfs) = line.split_once(' ')?;
        let rootfs: RootFs = serde_json::from_str(rootfs).ok()?;
        Some(Known { id: id.to_owned(), layers: rootfs.layers.unwrap_or_default() })
    }
}

/// How an engine keeps images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    /// Layers, unpacked; an image's ID is its config's digest.
    Classic,
    /// Blobs, beside what is unpacked of them; an image's ID is its manifest's digest.
    Containerd,
}

/// The engine's ID of an image that was just loaded from `blobs`: the digest of its config, or of its manifest.
///
/// # Errors
/// It does not answer, or has no such image.
pub(super) fn id_of(image: &Image, blobs: &dyn BlobSource) -> Result<String> {
    let by_config = image.id.to_string();
    if store()? == Store::Classic {
        if look_up(&by_config)?.is_some() {
            return Ok(by_config);
        }
    } else {
        // The config of one that is carried as it is lies in its archive, and its manifest is of the engine's making.
        if let Ok(by_manifest) = manifest_digest(image, blobs)
            && look_up(&by_manifest.to_string())?.is_some()
        {
            return Ok(by_manifest.to_string());
        }
        for tag in &image.tags {
            if let Some(known) = look_up(tag.as_str())?.filter(|known| known.layers == image.diff_ids()) {
                return Ok(known.id);
            }
        }
    }
    Err(Error::failed(tr!("the engine has not the image that was loaded"))
        .fact("image", by_config)
        .hint(tr!("does something else load or remove images here? then the same command again")))
}

/// How the engine keeps images.
///
/// # Errors
/// It does not answer.
pub(super) fn store() -> Result<Store> {
    let status = ask(&["info", "--format", "{{json .DriverStatus}}"])?;
    let is_containerd = status.is_some_and(|status| status.contains("containerd.snapshotter"));
    Ok(if is_containerd { Store::Containerd } else { Store::Classic })
}

/// Whether the engine can read the whole image, which compares every file with what was loaded.
///
/// # Errors
/// It does not answer: that is no word about the image.
pub(super) fn gives_back(id: &str) -> Result<bool> {
    let save = || -> Result<bool> {
        let mut command = Command::new("docker");
        command.args(["save", id]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let failed = |cause| not_started("save", cause);
        let mut child = command.spawn().map_err(failed)?;
        let image = child.stdout.take();
        image.as_ref().map_or(Ok(()), quiet).map_err(failed)?;
        let ended = Silence::of("save").until_the_end(&mut child, image, &mut Vec::new());
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok(ended?.success())
    };
    if save()? {
        return Ok(true);
    }
    // It may have been started again meanwhile.
    expect_answers()?;
    let second = save()?;
    if !second {
        expect_answers()?;
    }
    Ok(second)
}

/// Gives an image that has one name only another, in the repository `name`, under its ID.
///
/// # Errors
/// It does not answer.
pub(super) fn keep_as(id: &str, name: &str) -> Result<()> {
    let names = ask(&["image", "inspect", "--format", "{{len .RepoTags}}", id])?;
    if names.is_some_and(|names| names.trim() == "1") {
        let short: String = id.chars().skip_while(|&c| c != ':').skip(1).take(12).collect();
        ask_once(&["image", "tag", id, &format!("{name}:replaced-{short}")])?;
    }
    Ok(())
}

/// Removes an image under all its names; whether it is gone. One that a container has stays.
pub(super) fn remove_image(id: &str) -> Result<bool> {
    let listed = ask(&["image", "ls", "--all", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"])?;
    let listed = listed.unwrap_or_default();
    let names = listed.lines().filter_map(|line| line.strip_prefix(id)).map(str::trim);
    // Not by force: that would take the image from a stopped container, and leave its layers.
    let mut words = vec!["image", "rm"];
    words.extend(names.filter(|name| !name.contains("<none>")));
    if words.len() == 2 {
        words.push(id);
    }
    Ok(ask_once(&words)?.is_some())
}

/// The names of the volumes with this label, and the label's value.
pub(super) fn volumes(label: &str) -> Result<Vec<(String, String)>> {
    let filter = format!("label={label}");
    let format = format!("{{{{.Name}}}} {{{{.Label \"{label}\"}}}}");
    let listed = ask(&["volume", "ls", "--filter", &filter, "--format", &format])?.unwrap_or_default();
    let parts = listed.lines().filter_map(|line| line.split_once(' '));
    Ok(parts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Makes an empty volume with this label (`KEY=VALUE`): its name, or `None` where the engine keeps none.
pub(super) fn add_volume(label: &str) -> Result<Option<String>> {
    Ok(ask_once(&["volume", "create", "--label", label])?.map(|name| name.trim().to_owned()))
}

/// Removes these volumes. One that stays is no harm.
pub(super) fn remove_volumes(names: &[String]) {
    let words: Vec<&str> = ["volume", "rm"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let _ = ask_once(&words);
}
