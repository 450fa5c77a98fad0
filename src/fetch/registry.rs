//! Images from registries (OCI distribution specification 1.1): an `oci://` source of an artifact.
//!
//! ```text
//! tag ──manifests──▶ index ──platform──▶ manifest ──digests──▶ config, layers ──▶ cache ──▶ archive
//!                       (checked by digest where one is known)     (each by digest)   (image::registry)
//! ```
//!
//! Each blob is a file of its own in the cache: it is fetched once for all images and versions, and a run that was killed
//! continues with the blob where it was. Without a cache the blobs live in a scratch folder.
//!
//! | module | purpose |
//! | --- | --- |
//! | `endpoint` | where a registry is, and whether with TLS |
//! | `challenge` | `WWW-Authenticate` |
//! | `logins`, `auth_file`, `credential_program` | users and passwords as Docker and podman keep them |
//! | `session` | requests to one repository, with a token that is renewed when it expires |
//! | `store`, `blobs` | blobs into the cache |
//! | `cosign`, `claim` | whether an image was signed with a key |
//! | `pull` | from a reference to an archive |

mod auth_file;
mod blobs;
mod challenge;
mod claim;
mod cosign;
mod credential_program;
mod endpoint;
mod logins;
mod pull;
mod session;
mod store;

pub(super) use pull::{Pull, Pulled, Registries, RegistryAccess};
pub(super) use store::Received;
