//! What all artifacts of a download share.

use tokio::runtime::Handle;
use url::Url;

use super::host_state::HostStates;
use super::http::Http;
use crate::cache::Cache;
use crate::progress::Progress;
use crate::release::LockedFolder;

/// What all artifacts of a download share.
pub(super) struct Run<'a> {
    pub(super) http: &'a Http,
    pub(super) runtime: Handle,
    pub(super) hosts: HostStates,
    pub(super) cache: Option<&'a Cache>,
    pub(super) base: &'a Url,
    pub(super) folder: &'a LockedFolder,
    pub(super) progress: &'a dyn Progress,
}
