//! What all artifacts of a run share: of a lock, or of a download, which has a folder too.

use tokio::runtime::Handle;
use url::Url;

use super::host_state::HostStates;
use super::http::Http;
use super::registry::{Registries, RegistryAccess};
use crate::cache::Cache;
use crate::progress::Progress;
use crate::release::LockedFolder;

/// What all artifacts of a run share.
pub(super) struct Run<'a> {
    pub(super) http: &'a Http,
    pub(super) runtime: Handle,
    pub(super) hosts: HostStates,
    pub(super) cache: Option<&'a Cache>,
    pub(super) registries: Registries,
    pub(super) base: &'a Url,
    pub(super) progress: &'a dyn Progress,
}

impl Run<'_> {
    /// What pulls need.
    pub(super) fn registry_access(&self) -> RegistryAccess<'_> {
        let Run { http, registries, cache, progress, .. } = self;
        RegistryAccess { http, registries, cache: *cache, progress: *progress }
    }
}

/// A run that puts its artifacts into a folder.
pub(super) struct DownloadRun<'a> {
    pub(super) run: Run<'a>,
    pub(super) folder: &'a LockedFolder,
}
