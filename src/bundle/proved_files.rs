//! The files beside a bundle that were compared with their digests already: each is read for that once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::path::RelPath;
use crate::release::ProvedFile;

/// Open files by the name of their artifact.
#[derive(Debug, Default)]
pub(super) struct ProvedFiles(Mutex<HashMap<RelPath, Arc<ProvedFile>>>);

impl ProvedFiles {
    pub(super) fn get(&self, name: &RelPath) -> Option<Arc<ProvedFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn add(&self, name: &RelPath, file: Arc<ProvedFile>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), file);
    }
}
