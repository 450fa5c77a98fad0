//! Gathering: from what a publisher has (stack files, folders, URLs, images) to the artifacts of a manifest.
//!
//! ```text
//! words ─source─▶ folder, file, URL, image, engine's image ─files─▶ steps ─assembly─▶ artifacts, each with its name, kind and source
//! ```
//!
//! Archives are read before the images of stack files are looked for: what lies in an archive, or is saved from an engine, is
//! not fetched.

mod assembly;
mod files;
mod located;
mod source;
mod stack_file;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use semver::Version;

use crate::error::{Error, Result};
use crate::manifest::engine_ref::EngineRef;
use crate::manifest::registry_ref::RegistryRef;
use crate::manifest::{Artifact, Kind, ProductName};
use crate::platform::Platform;
use crate::product::{Product, skeleton};
use crate::progress::Progress;
use crate::staged_file::StagedFile;
use assembly::Assembly;
use files::Files;
use source::Source;
use stack_file::StackFile;

/// The manifest for which artifacts are gathered.
pub(super) struct Place<'a> {
    /// Its file, absolute, in a folder that is no link.
    pub(super) manifest: &'a Path,
    /// What it is called in errors.
    pub(super) shown: &'a Path,
    /// Its artifacts.
    pub(super) there: &'a [Artifact],
    /// Its name, if it has one.
    pub(super) name: Option<&'a ProductName>,
    /// Its version.
    pub(super) version: &'a Version,
    /// For which platform images are taken from registries.
    pub(super) platform: Platform,
}

/// An artifact, and what it was made of.
#[derive(Debug)]
pub struct Found {
    /// The artifact, not pinned.
    pub artifact: Artifact,
    /// A path, a reference, or a URL without what may be secret.
    pub source: String,
}

/// A description of the product that is to be written.
#[derive(Debug)]
pub(super) struct NewProduct {
    path: PathBuf,
    /// Its file as it is shown.
    shown: PathBuf,
    text: String,
}

impl NewProduct {
    /// Writes it; its path, as it is shown.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn write(&self) -> Result<PathBuf> {
        StagedFile::write(&self.path, self.text.as_bytes(), 0o644)?;
        Ok(self.shown.clone())
    }
}

/// What was gathered.
#[derive(Debug)]
pub(super) struct Gathered {
    /// In the order of the sources.
    pub(super) found: Vec<Found>,
    /// The manifest's name: its own, else a stack file's, else the folder's.
    pub(super) name: ProductName,
    /// What is to be written beside the stack file.
    pub(super) product: Option<NewProduct>,
    /// What is worth a line.
    pub(super) notes: Vec<String>,
}

/// A step on the way from a source to artifacts.
enum Step {
    Found(Found),
    Stack(StackFile),
    Image(RegistryRef),
    /// An image of an engine of this machine.
    Saved(EngineRef),
}

/// Gathers what `words` name.
///
/// # Errors
/// A word names nothing, a stack file is not one that can be carried, or two artifacts would have one name.
pub(super) fn gather(words: &[OsString], place: &Place<'_>, progress: &dyn Progress) -> Result<Gathered> {
    progress.phase("reading");
    let sources = words.iter().map(|word| Source::of(word)).collect::<Result<Vec<_>>>()?;
    let mut files = Files::new(place, progress);
    let mut steps: Vec<Step> = Vec::new();
    for source in sources {
        match source {
            Source::Folder(path) => steps.extend(files.folder(&path)?),
            Source::File(path) => steps.push(files.named(&path)?),
            Source::Url(url) => steps.push(Step::Found(source::of_url(&url, place)?)),
            Source::Image(reference) => steps.push(Step::Image(reference)),
            Source::Saved(reference) => {
                files.packed.insert(reference.name().familiar());
                steps.push(Step::Saved(reference));
            }
        }
    }
    let stacks = steps.iter().filter_map(|step| match step {
        Step::Stack(stack) => Some(stack),
        _ => None,
    });
    let is_product = |artifact: &Artifact| artifact.kind == Kind::Product;
    let has_product = place.there.iter().any(is_product)
        || steps.iter().any(|step| matches!(step, Step::Found(found) if is_product(&found.artifact)));
    // A manifest has one product, and that has one stack.
    let described = stacks.clone().next().filter(|_| !has_product);
    let name = name_of(place, stacks.filter_map(|stack| stack.product_name()).next())?;
    let product_path = described.map(|stack| stack.path.with_file_name(stack_file::PRODUCT));
    let product = match (&product_path, described) {
        (Some(path), Some(stack)) if path.symlink_metadata().is_err() => Some(new_product(&name, stack, path)?),
        _ => None,
    };
    if let (Some(stack), None) = (described, &product) {
        let shown = stack.shown().with_file_name(stack_file::PRODUCT);
        files.notes.push(format!("{} is there already, and stays as it is", shown.display()));
    }
    let mut product_found = described.map(|stack| stack.product_found(place)).transpose()?;
    let mut assembly = Assembly::new(place, files);
    for step in steps {
        match step {
            Step::Found(found) => assembly.add(found)?,
            Step::Image(reference) => assembly.image(&reference, reference.to_string())?,
            Step::Saved(reference) => assembly.saved(&reference)?,
            Step::Stack(stack) => {
                product_found.take().map(|found| assembly.add(found)).transpose()?;
                assembly.stack(&stack)?;
            }
        }
    }
    let (found, notes) = assembly.done();
    Ok(Gathered { found, name, product, notes })
}

/// The description of the product for a stack file, tried against it: what `pack bundle` would refuse, is refused now.
fn new_product(name: &ProductName, stack: &StackFile, path: &Path) -> Result<NewProduct> {
    let text = skeleton(name.as_str(), &stack.name, &stack.document);
    let origin = stack.path.display().to_string();
    Product::parse(&text, &origin)?.check_against(&stack.document, &|kind, _| kind == Kind::Stack, &origin)?;
    Ok(NewProduct { path: path.to_owned(), shown: stack.shown().with_file_name(stack_file::PRODUCT), text })
}

/// The product's name: the manifest's, else the stack file's, else that of the manifest's folder, with what no name can have
/// left out.
fn name_of(place: &Place<'_>, stack: Option<&str>) -> Result<ProductName> {
    if let Some(name) = place.name {
        return Ok(name.clone());
    }
    let folder = place.manifest.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let wanted = stack.map(str::to_owned).or(folder).unwrap_or_default().to_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
    let plain: String = wanted.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    let plain: String = plain.trim_matches(['-', '.', '_']).chars().take(64).collect();
    plain.parse().map_err(|why| {
        Error::usage("the product needs a name")
            .fact("folder", place.manifest.parent().unwrap_or(place.manifest).display())
            .fact("reason", why)
            .hint("give it one, for example: --name shop")
    })
}
