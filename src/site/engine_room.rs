//! Whether the engine has room for what it is about to be sent.
//!
//! Only an engine of this machine is judged, whose disk can be seen from here. One behind a network or in a virtual machine
//! (Docker Desktop) has a folder of the same name elsewhere: of that nothing is claimed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::order::{Chain, known};
use super::question::ask;
use crate::error::Result;
use crate::image::Image;
use crate::language::tr;
use crate::progress::Progress;
use crate::room;

/// The way out.
fn way_out() -> String {
    tr!("free some room (what the engine holds: 'docker system df'), then run the same command again")
}

/// What the engine says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    name: String,
    #[serde(default)]
    kernel_version: String,
    #[serde(default)]
    docker_root_dir: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    driver_status: Option<serde_json::Value>,
}

/// Checks that the layers of `images` that an engine with `there` lacks fit where it keeps them; `largest` is the size of
/// the largest archive that goes over, of which the engine makes a copy first.
///
/// # Errors
/// They do not, or the engine does not answer.
pub(super) fn check<'a>(
    images: impl Iterator<Item = &'a Image>,
    there: &[Chain],
    largest: u64,
    progress: &dyn Progress,
) -> Result<()> {
    let needed = lacking(images, there);
    if needed == 0 {
        return Ok(());
    }
    let Some(root) = root()? else { return Ok(()) };
    room::check_for_root(needed, &root, way_out())?;
    let most = needed.saturating_add(largest);
    if let Some(free) = room::free_for_root(&root).filter(|&free| free < most) {
        progress.note(&tr!(
            "loading takes up to {}, and {} are free at {}; where it does not fit, {}",
            room::shown(most),
            room::shown(free),
            root.display(),
            way_out()
        ));
    }
    Ok(())
}

/// The bytes of the layers that the engine lacks. It keeps a layer once for each chain that is below it.
fn lacking<'a>(images: impl Iterator<Item = &'a Image>, there: &[Chain]) -> u64 {
    let (mut seen, mut bytes) = (HashSet::new(), 0u64);
    for image in images {
        let chain: Chain = image.layers.iter().map(|layer| layer.diff_id).collect();
        for (depth, layer) in image.layers.iter().enumerate().skip(known(&chain, there)) {
            if seen.insert(chain[..=depth].to_vec()) {
                bytes = bytes.saturating_add(layer.size);
            }
        }
    }
    bytes
}

/// Where an engine of this machine keeps its layers as files; `None` where that cannot be seen from here.
fn root() -> Result<Option<PathBuf>> {
    let Some(info) =
        ask(&["info", "--format", "{{json .}}"])?.and_then(|info| serde_json::from_str::<Info>(&info).ok())
    else {
        return Ok(None);
    };
    if !is_here(&info) {
        return Ok(None);
    }
    // Two machines may have one name.
    let host = ask(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])?;
    let is_local = host.is_some_and(|host| host.trim().starts_with("unix://"));
    Ok(is_local.then(|| info.docker_root_dir.into()))
}

/// Whether the engine seems to run here and keeps its layers below its root, unpacked.
fn is_here(info: &Info) -> bool {
    let same = |ours: &str, theirs: &str| fs::read_to_string(ours).is_ok_and(|ours| ours.trim() == theirs);
    let in_containerd = info.driver_status.as_ref().is_some_and(|status| status.to_string().contains("containerd"));
    same("/proc/sys/kernel/hostname", &info.name)
        && same("/proc/sys/kernel/osrelease", &info.kernel_version)
        && info.driver == "overlay2"
        && !in_containerd
        && Path::new(&info.docker_root_dir).is_absolute()
        && Path::new(&info.docker_root_dir).is_dir()
}
