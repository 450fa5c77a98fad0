//! Whether what a product's description names is packed: reported while bundling, not only on site.

use super::contents::Contents;
use super::interpreter::Interpreter;
use super::script_check::broken;
use crate::error::{Error, IoContext, Result};
use crate::manifest::Kind;
use crate::path::RelPath;
use crate::platform::Platform;
use crate::product::Product;
use crate::release::Folder;
use crate::small_file;
use crate::stack;

/// Checks the product of `contents`, where it has one. Returns what people call it.
///
/// # Errors
/// Its description or its stack template is not valid, or names what is not packed; or a hook cannot start.
pub fn check_product(folder: &Folder, contents: &Contents, platform: Platform) -> Result<Option<String>> {
    let Some(described) = contents.artifacts.iter().find(|artifact| artifact.kind == Kind::Product) else {
        return Ok(None);
    };
    let read = |name: &RelPath, limit| small_file::read_text(&folder.path_of(name), limit);
    let origin = |name: &RelPath| folder.path_of(name).display().to_string();
    let product = Product::parse(&read(&described.name, Product::LARGEST)?, &origin(&described.name))?;
    let is_packed = |name: &RelPath, kind| {
        contents.artifacts.iter().any(|artifact| artifact.name == *name && artifact.kind == kind)
    };
    if !is_packed(&product.stack, Kind::Stack) {
        return Err(Error::failed("the product's stack template is not packed")
            .fact("path", origin(&described.name))
            .fact("stack", &product.stack)
            .hint("list it in the manifest as an artifact of kind 'stack'"));
    }
    let template = stack::read(&read(&product.stack, stack::LARGEST)?, &origin(&product.stack))?;
    product.check_against(&template, &|kind, name| is_packed(name, kind), &origin(&described.name))?;
    for script in product.hooks.values() {
        let path = folder.path_of(script);
        let interpreter = Interpreter::of(&path).doing("read the script", &path)?;
        if let Some(error) = broken(&interpreter, script, folder, platform) {
            return Err(error);
        }
    }
    Ok(Some(product.title))
}
