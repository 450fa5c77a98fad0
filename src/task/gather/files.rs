//! Files and folders: the name, kind and URL of each.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use url::Url;
use walkdir::WalkDir;

use super::located::found;
use super::stack_file::{self, StackFile};
use super::{Found, Place, Step};
use crate::error::{Error, IoContext, Result};
use crate::image::{Image, Recognised, recognise};
use crate::manifest::{Artifact, ArtifactId, Kind, Limits, guess};
use crate::path::RelPath;
use crate::platform::Platform;
use crate::progress::{Meter, Progress};
use crate::signature::EXTENSION;
use crate::{small_file, stack, yaml};

/// How many of a file's first bytes a guess at its kind looks at.
const HEAD: u64 = 4_096;
/// The size of the pieces in which files are read, in bytes.
const BUFFER: usize = 256 << 10;

/// Reads files for a manifest.
pub(super) struct Files<'a> {
    place: &'a Place<'a>,
    progress: &'a dyn Progress,
    /// The names of the images in the archives that were read, in their familiar form.
    pub(super) packed: BTreeSet<String>,
    pub(super) notes: Vec<String>,
}

/// A file under the name that its artifact gets.
struct Named<'a> {
    name: RelPath,
    /// Where it lies, its folder without links.
    path: PathBuf,
    /// As somebody would type it.
    shown: &'a Path,
}

impl<'a> Files<'a> {
    pub(super) fn new(place: &'a Place<'a>, progress: &'a dyn Progress) -> Self {
        Files { place, progress, packed: BTreeSet::new(), notes: Vec::new() }
    }

    /// A file that was named by itself. One in YAML with services is a stack file, whatever is wrong with it.
    pub(super) fn named(&mut self, typed: &Path) -> Result<Step> {
        let path = resolved(typed)?;
        let outside = || path.file_name().map(PathBuf::from).unwrap_or_default();
        let relative = path.strip_prefix(self.base()).map_or_else(|_| outside(), Path::to_owned);
        let named = Named { name: name_of(&relative, typed)?, path, shown: typed };
        if let Some(document) = self.yaml(&named)? {
            let document = document.map_err(|why| stack_file::not_yaml(typed, &why))?;
            if document.get("services").is_some() && !is_product(&document) {
                return StackFile::read(named.name, named.path, typed, document).map(Step::Stack);
            }
        }
        self.file(named).map(Step::Found)
    }

    /// Every file below a folder, in the order of names. What is hidden is left out.
    pub(super) fn folder(&mut self, typed: &Path) -> Result<Vec<Step>> {
        let root = typed.canonicalize().doing("find the folder", typed)?;
        let own = root.file_name().map(PathBuf::from).unwrap_or_default();
        let mut hidden = Vec::new();
        let mut steps = Vec::new();
        let is_hidden =
            |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name().as_encoded_bytes()[0] == b'.';
        let mut walk = WalkDir::new(&root).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(typed).to_owned();
                Error::io("read the folder", &path, error.into())
            })?;
            let below = entry.path().strip_prefix(&root).unwrap_or(entry.path());
            let shown = typed.join(below);
            if is_hidden(&entry) {
                hidden.push(shown.display().to_string());
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            if entry.file_type().is_dir() || self.is_manifest(entry.path()) {
                continue;
            }
            if !entry.file_type().is_file() {
                self.notes.push(format!("{} is left out: it is no file", shown.display()));
                continue;
            }
            if steps.len() >= Limits::DEFAULT.artifacts {
                return Err(Error::failed("the folder has more files than a manifest has artifacts")
                    .fact("path", typed.display())
                    .fact("limit", Limits::DEFAULT.artifacts)
                    .hint("pack its files into an archive, and name that"));
            }
            let relative = entry.path().strip_prefix(self.base()).map_or_else(|_| own.join(below), Path::to_owned);
            let named = Named { name: name_of(&relative, &shown)?, path: entry.path().to_owned(), shown: &shown };
            steps.push(self.guessed(named)?);
        }
        if !hidden.is_empty() {
            self.notes.push(format!("left out, for it is hidden: {}", hidden.join(", ")));
        }
        if steps.is_empty() {
            return Err(Error::failed("the folder has no file")
                .fact("path", typed.display())
                .hint("look what is in it with 'ls -la'; what is hidden has to be named by itself"));
        }
        Ok(steps)
    }

    /// The names of the images in the archive of an artifact that is in the manifest already, where that lies here.
    pub(super) fn packed_already(&mut self, artifact: &Artifact) {
        if let Some(reference) = artifact.engine_ref() {
            self.packed.insert(reference.name().familiar());
            return;
        }
        let base = Url::from_file_path(self.place.manifest).ok();
        let path = base.and_then(|base| base.join(artifact.urls.first()?).ok()?.to_file_path().ok());
        if let Some(path) = path
            && let Ok(file) = small_file::open_regular(&path)
            && let Ok(Recognised::Images(images)) = self.recognised(file, &artifact.id.name)
        {
            self.remember(&images);
        }
    }

    /// The folder against which the manifest's relative URLs count.
    fn base(&self) -> &Path {
        self.place.manifest.parent().unwrap_or(self.place.manifest)
    }

    fn is_manifest(&self, path: &Path) -> bool {
        let manifest = self.place.manifest;
        let mut signature = manifest.as_os_str().to_owned();
        signature.push(format!(".{EXTENSION}"));
        path == manifest || path.as_os_str() == signature
    }

    /// The document in a file that is called as YAML is; `None` in any other, or one too large to be a stack file.
    fn yaml(&self, named: &Named<'_>) -> Result<Option<std::result::Result<Value, String>>> {
        let is_yaml = named.path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if !is_yaml || named.path.metadata().doing("look at", named.shown)?.len() > stack::LARGEST {
            return Ok(None);
        }
        Ok(Some(yaml::read(&small_file::read_text(&named.path, stack::LARGEST)?)))
    }

    /// A file in a folder: where it is a stack file that can be carried, that.
    fn guessed(&mut self, named: Named<'_>) -> Result<Step> {
        if let Some(Ok(document)) = self.yaml(&named)?
            && document.get("services").is_some()
            && !is_product(&document)
        {
            match StackFile::read(named.name.clone(), named.path.clone(), named.shown, document) {
                Ok(stack) => return Ok(Step::Stack(stack)),
                Err(error) => {
                    self.notes
                        .push(format!("{} is taken as a file, not as a stack file: {error}", named.shown.display()));
                }
            }
        }
        self.file(named).map(Step::Found)
    }

    fn file(&mut self, named: Named<'_>) -> Result<Found> {
        let mut file = small_file::open_regular(&named.path).doing("open", named.shown)?;
        let mode = file.metadata().doing("look at", named.shown)?.permissions().mode();
        let mut head = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut head).doing("read", named.shown)?;
        file.rewind().doing("read", named.shown)?;
        let name = named.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (kind, platform) = match self.recognised(file, &named.name)? {
            Recognised::Images(images) => {
                self.remember(&images);
                (Kind::Image, platform_of(&images))
            }
            Recognised::Engine => (Kind::Engine, None),
            Recognised::OtherArchive(why) => {
                self.notes.push(format!("{}: an archive, and not one of images: {why}", named.shown.display()));
                (Kind::File, None)
            }
            Recognised::Other if matches!(self.yaml(&named)?, Some(Ok(document)) if is_product(&document)) => {
                (Kind::Product, None)
            }
            Recognised::Other => (guess::kind_of_file(name, &head, mode & 0o111 != 0), None),
        };
        let id = ArtifactId { name: named.name, platform };
        found(id, kind, (&named.path, named.shown), self.place)
    }

    fn recognised(&self, file: File, name: &RelPath) -> Result<Recognised> {
        let size = file.metadata().ok().map(|found| found.len());
        let meter = self.progress.start(name.as_str(), size);
        let recognised = recognise(BufReader::with_capacity(BUFFER, Metered { file, meter: &*meter }), name.as_str());
        meter.done("read");
        recognised
    }

    fn remember(&mut self, images: &[Image]) {
        self.packed.extend(images.iter().flat_map(|image| &image.tags).map(|tag| tag.familiar()));
    }
}

/// A file that tells how much of it was read.
struct Metered<'a> {
    file: File,
    meter: &'a dyn Meter,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}

/// A description of a product has services too.
fn is_product(document: &Value) -> bool {
    ["schemaVersion", "stack", "installDir"].iter().all(|key| document.get(key).is_some())
}

/// The one platform of all images, if it is one that is known.
fn platform_of(images: &[Image]) -> Option<Platform> {
    let platforms: BTreeSet<&str> = images.iter().map(|image| image.platform.as_str()).collect();
    if platforms.len() == 1 { platforms.first()?.parse().ok() } else { None }
}

/// The path with its folder's links followed, and its own name kept.
fn resolved(typed: &Path) -> Result<PathBuf> {
    let folder = typed.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().doing("find the file", typed)?;
    // Of 'x/..' there is no name; that is a folder, and not asked for here.
    Ok(typed.file_name().map_or_else(|| folder.clone(), |name| folder.join(name)))
}

fn name_of(relative: &Path, shown: &Path) -> Result<RelPath> {
    let text = relative.to_str().ok_or_else(|| "its name is no Unicode".to_owned());
    text.and_then(|text| text.parse::<RelPath>().map_err(|why| why.to_string())).map_err(|why| {
        Error::failed("a file's name cannot be that of an artifact")
            .fact("path", shown.display())
            .fact("reason", why)
            .hint("rename the file, or move it out of the folder")
    })
}
