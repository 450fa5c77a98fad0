//! Which publisher to trust, as it is typed.

use clap::Args;

use crate::error::Result;
use crate::signature::PublicKey;
use crate::task::trust::Trust;

/// Which publisher to trust.
#[derive(Args)]
pub(super) struct KeyArgs {
    /// Refuse a manifest that is not signed with this key (minisign's format)
    #[arg(long, value_name = "KEY|FILE")]
    pubkey: Option<String>,
    /// Refuse a manifest whose date of expiry has passed, instead of warning
    #[arg(long)]
    strict: bool,
}

impl KeyArgs {
    /// What was asked for, with the key, which may come out of a pipe: it is read here and once.
    pub(super) fn read(&self) -> Result<Trust> {
        let key = self.pubkey.as_deref().map(PublicKey::parse).transpose()?;
        Ok(Trust { key, strict: self.strict })
    }
}
