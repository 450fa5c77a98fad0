//! Which publisher to trust, as it is typed.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use crate::error::Result;
use crate::signature::PublicKey;
use crate::task::signed::Signed;
use crate::task::trust::Trust;

/// Which publisher to trust.
#[derive(Args)]
pub(super) struct KeyArgs {
    /// Refuse a manifest that is not signed with this key (minisign's format) [default: $PACK_PUBKEY]
    #[arg(long, value_name = "KEY|FILE")]
    pubkey: Option<OsString>,
    /// Refuse a manifest whose date of expiry has passed, instead of warning
    #[arg(long)]
    strict: bool,
}

impl KeyArgs {
    /// The key that was typed, not the usual one.
    pub(super) fn typed(&self) -> Option<&OsStr> {
        self.pubkey.as_deref()
    }

    /// Takes `typed` for the key.
    pub(super) fn set(&mut self, typed: OsString) {
        self.pubkey = Some(typed);
    }

    /// What was asked for, with the key, which may come out of a pipe: it is read here and once.
    pub(super) fn read(&self) -> Result<Trust> {
        read_key(self.pubkey.clone(), self.strict)
    }
}

/// The publisher's key, or $PACK_PUBKEY, where a manifest that is not signed is no fault.
#[derive(Args)]
pub(super) struct OwnKeyArgs {
    /// Check the signature beside the manifest, if there is one, with this key (minisign's format)
    /// [default: $PACK_PUBKEY]
    #[arg(long, value_name = "KEY|FILE")]
    pubkey: Option<OsString>,
}

impl OwnKeyArgs {
    /// As [`KeyArgs::read`].
    pub(super) fn read(&self) -> Result<Trust> {
        read_key(self.pubkey.clone(), false)
    }
}

fn read_key(asked: Option<OsString>, strict: bool) -> Result<Trust> {
    let asked = asked.or_else(|| std::env::var_os("PACK_PUBKEY").filter(|key| !key.is_empty()));
    let key = asked.as_deref().map(PublicKey::parse).transpose()?;
    // What has no ending is the key itself, or a pipe, whose name says nothing.
    let file = asked.as_deref().map(Path::new).filter(|path| path.extension().is_some());
    let key_file = file.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    Ok(Trust { key, key_file, strict })
}

/// Who signed, as a document.
pub(super) fn signed_document(signed: &Signed) -> Value {
    json!({ "state": signed.as_str(), "keyId": signed.key_id() })
}
