//! `pack schema`: the JSON Schemas of what publishers write, for their editors.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::terminal::Terminal;
use crate::error::Result;

/// Print the JSON Schema of a manifest or of a product.yaml, for an editor
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack schema manifest > manifest.schema.json      then in manifest.json: \"$schema\": \"./manifest.schema.json\"
  pack schema product > product.schema.json        then # yaml-language-server: $schema=./product.schema.json")]
pub(super) struct SchemaArgs {
    /// Of what
    document: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// A manifest.json
    Manifest,
    /// A product.yaml
    Product,
}

pub(super) fn run(args: &SchemaArgs, terminal: &Terminal) -> Result<u8> {
    let schema = match args.document {
        Document::Manifest => include_str!("../../schema/manifest.schema.json"),
        Document::Product => include_str!("../../schema/product.schema.json"),
    };
    terminal.page(schema.as_bytes(), |text| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!(text)))?;
    Ok(0)
}
