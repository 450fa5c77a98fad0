//! The files that a detached bundle takes from the folder where it lies: by name, and only with the size and digest that
//! the manifest pins.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::carried::{Carried, CarriedArtifact};
use super::read::Bundle;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::manifest::{Kind, Pin};
use crate::path::shell_word;
use crate::progress::{Meter, Progress};
use crate::release::{Folder, ProvedFile, Row, State, not_as_pinned, prove};
use crate::workers;

impl Bundle {
    /// The folder where the bundle lies.
    pub fn folder(&self) -> Folder {
        let parent = self.path().parent().filter(|parent| !parent.as_os_str().is_empty());
        Folder::at(parent.unwrap_or(Path::new(".")))
    }

    /// The artifacts that it takes from there.
    pub fn detached(&self) -> Vec<&CarriedArtifact> {
        self.index().artifacts.iter().filter(|artifact| artifact.carried.is_detached()).collect()
    }

    /// Those that an installation needs: an engine that does not lie there is none, for only a host without one would use it.
    pub fn needed_beside(&self) -> Vec<&CarriedArtifact> {
        let folder = self.folder();
        let is_there = |artifact: &CarriedArtifact| fs::symlink_metadata(folder.path_of(&artifact.name)).is_ok();
        let mut needed = self.detached();
        needed.retain(|artifact| artifact.kind != Kind::Engine || is_there(artifact));
        needed
    }

    /// The file beside the bundle that is `artifact`, compared with its digest.
    ///
    /// # Errors
    /// It is missing, or is not what is pinned.
    pub fn beside(&self, artifact: &CarriedArtifact, meter: &dyn Meter) -> Result<Arc<ProvedFile>> {
        let (row, proved) = self.look_beside(artifact, meter);
        proved.ok_or_else(|| not_beside(self, &[row]))
    }

    /// Compares those of `wanted` that lie beside the bundle with their digests. How each stands, in their order.
    ///
    /// # Errors
    /// None of theirs: that is in the rows.
    pub fn check_beside(&self, wanted: &[&CarriedArtifact], progress: &dyn Progress) -> Result<Vec<Row>> {
        let wanted: Vec<&CarriedArtifact> =
            wanted.iter().copied().filter(|artifact| artifact.carried.is_detached()).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        progress.plan(wanted.len(), Some(wanted.iter().map(|artifact| artifact.size).sum()));
        let mut rows = Vec::with_capacity(wanted.len());
        workers::ordered(
            workers::cores(),
            |emit| wanted.iter().try_for_each(|&artifact| emit(artifact)),
            |artifact: &CarriedArtifact| {
                let meter = progress.start(artifact.name.as_str(), Some(artifact.size));
                let (row, _) = self.look_beside(artifact, meter.as_ref());
                meter.done(row.state.as_str());
                Ok(row)
            },
            |row| {
                rows.push(row);
                Ok(())
            },
        )?;
        Ok(rows)
    }

    /// As [`Bundle::check_beside`].
    ///
    /// # Errors
    /// One is missing, or is not what is pinned: all such are named.
    pub fn expect_beside(&self, wanted: &[&CarriedArtifact], progress: &dyn Progress) -> Result<()> {
        let mut rows = self.check_beside(wanted, progress)?;
        rows.retain(|row| row.state != State::Ok);
        if rows.is_empty() { Ok(()) } else { Err(not_beside(self, &rows)) }
    }

    fn look_beside(&self, artifact: &CarriedArtifact, meter: &dyn Meter) -> (Row, Option<Arc<ProvedFile>>) {
        let pin = Pin { size: Some(artifact.size), digest: artifact.digest };
        if let Some(known) = self.beside.get(&artifact.name) {
            meter.add(known.size());
            return (Row::ok(&artifact.name, pin), Some(known));
        }
        let (row, proved) = prove(&self.folder(), &artifact.name, pin, meter);
        let proved = proved.map(Arc::new);
        if let Some(proved) = &proved {
            self.beside.add(&artifact.name, proved.clone());
        }
        (row, proved)
    }
}

/// The error for artifacts that do not lie beside the bundle as they should: all are named, with what was expected, what
/// was found, and where to get them.
pub fn not_beside(bundle: &Bundle, rows: &[Row]) -> Error {
    let folder = bundle.folder();
    let url_of = |row: &Row| match &bundle.index().artifact(&row.name)?.carried {
        Carried::Detached { url } => url.clone(),
        _ => None,
    };
    let wrong: Vec<(Row, Option<String>)> = rows.iter().map(|row| (row.clone(), url_of(row))).collect();
    not_as_pinned(&folder, &wrong).hint(tr!(
        "get each from its URL where there is a network, without the browser's cache (curl -O does), and put it into {}; \
         then the same command again",
        shell_word(folder.root())
    ))
}
