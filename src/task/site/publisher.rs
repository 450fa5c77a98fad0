//! The key that comes with what is to be installed. It proves nothing until somebody says whose it is.

use super::install::Options;
use super::source::Source;
use crate::error::Result;
use crate::signature::PublicKey;
use crate::site::lifecycle::Place;

/// Who is said to have made a product's version.
#[derive(Debug)]
pub struct Publisher {
    /// The product.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The key.
    pub key: PublicKey,
}

/// The key that came with what is to be installed, where no key was given and the host trusts none for the product.
///
/// # Errors
/// There is neither a bundle nor a folder.
pub fn to_confirm(options: &Options) -> Result<Option<Publisher>> {
    if options.trust.key.is_some() {
        return Ok(None);
    }
    let source = Source::open(&options.source)?;
    if Place::named(source.name())?.trusted_key().exists() {
        return Ok(None);
    }
    let publisher = |key| Publisher { name: source.name().to_owned(), version: source.version().to_string(), key };
    Ok(source.publisher().map(publisher))
}
