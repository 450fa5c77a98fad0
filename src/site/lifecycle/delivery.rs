//! What a version comes in: a bundle, or the plain folder that a download made.

use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use semver::Version;

use super::place::make_folder;
use crate::bundle::{BundleAccess, Wanted, cat, extract, is_small};
use crate::digest::PIECE;
use crate::error::{Error, Result};
use crate::image::content_of;
use crate::language::tr;
use crate::manifest::{FILE_NAME, Kind, Manifest, Pinned, SIGNATURE_NAME};
use crate::path::RelPath;
use crate::platform::Platform;
use crate::progress::{Progress, Silent};
use crate::release::{Folder, ProvedFile, Row, State, not_as_pinned, prove};
use crate::signature::LIMIT;
use crate::site::{Brought, NamedFile, is_unpacked};
use crate::small_file;
use crate::staged_file::StagedFile;
use crate::workers;

/// What a version comes in.
pub enum Delivery<'a> {
    /// A bundle, proved as far as there is a key.
    Bundle(BundleAccess<'a>),
    /// A folder, each file of which was compared with its pin.
    Folder(FolderFiles),
}

impl Delivery<'_> {
    /// The version.
    pub fn version(&self) -> &Version {
        match self {
            Delivery::Bundle(access) => &access.index().version,
            Delivery::Folder(files) => files.manifest.version(),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        match self {
            Delivery::Bundle(access) => access.bundle().path(),
            Delivery::Folder(files) => files.folder.root(),
        }
    }

    /// Copies the manifest, its signature and the small files into the folder `root`, which is there and empty.
    pub(super) fn copy_small(&self, root: &Path) -> Result<()> {
        match self {
            Delivery::Bundle(access) => {
                let index = access.index();
                let small =
                    |path: &RelPath| index.artifact(path.as_str()).is_some_and(|artifact| is_unpacked(index, artifact));
                let wanted = |path: &RelPath| small(path) || matches!(path.as_str(), FILE_NAME | SIGNATURE_NAME);
                extract(access, wanted, root, &Silent)
            }
            Delivery::Folder(files) => files.copy_small(root),
        }
    }

    /// Checks that `artifact`, which may be missing, is there.
    ///
    /// # Errors
    /// It is not: where it was expected, and how to get it.
    pub(super) fn expect_there(&self, artifact: &RelPath) -> Result<()> {
        match self {
            Delivery::Bundle(access) => {
                let mut beside = access.bundle().detached().into_iter().filter(|one| one.name == *artifact);
                beside.try_for_each(|one| access.bundle().beside(one, &Silent).map(drop))
            }
            Delivery::Folder(files) => files.file(artifact).map(drop),
        }
    }

    /// Writes `artifact` without the compression around it to `out`.
    ///
    /// # Errors
    /// It is not there, is not what is pinned, or `out` takes no more: what was written is then not the whole of it.
    pub(super) fn content(&self, artifact: &RelPath, out: &mut dyn Write) -> Result<()> {
        match self {
            Delivery::Bundle(access) => cat(access, artifact.as_str(), Wanted::Decompressed, out),
            Delivery::Folder(files) => {
                let proved = &files.file(artifact)?.proved;
                let stored = BufReader::with_capacity(4 * PIECE, proved.reader());
                let mut content = content_of(stored).map_err(|cause| proved.not_read(cause))?;
                proved.copy(&mut content, out, Path::new(artifact.as_str()))
            }
        }
    }

    /// The images in it.
    pub(super) fn images(&self, progress: &dyn Progress) -> Result<Brought<'_>> {
        match self {
            Delivery::Bundle(access) => Brought::of_bundle(access, &|_| true, progress),
            Delivery::Folder(files) => {
                let images = files.files.iter().filter(|file| file.kind == Kind::Image);
                let images = images.map(|file| (file.name.to_string(), file.proved.clone()));
                Brought::of_files(images.collect::<Vec<NamedFile>>(), files.platform, progress)
            }
        }
    }
}

/// A file of a folder.
struct FolderFile {
    name: RelPath,
    kind: Kind,
    proved: Arc<ProvedFile>,
}

/// The artifacts of a folder, each compared with its pin and open.
pub struct FolderFiles {
    folder: Folder,
    manifest: Manifest,
    platform: Platform,
    files: Vec<FolderFile>,
}

impl FolderFiles {
    /// Compares every artifact for `platform` in `folder`, whose manifest is `manifest`, with its pin. An engine may be missing.
    ///
    /// # Errors
    /// One is missing, or is not what is pinned: all such are named.
    pub fn prove(folder: &Folder, manifest: Manifest, platform: Platform, progress: &dyn Progress) -> Result<Self> {
        let selection = manifest.select(platform)?;
        progress.plan(selection.len(), selection.iter().map(|pinned| pinned.pin.size).sum());
        let (mut files, mut wrong): (Vec<FolderFile>, Vec<(Row, Option<String>)>) = (Vec::new(), Vec::new());
        workers::ordered(
            workers::cores(),
            |emit| selection.iter().try_for_each(emit),
            |pinned: &Pinned<'_>| {
                let meter = progress.start(pinned.name().as_str(), pinned.pin.size);
                let (row, proved) = prove(folder, pinned.name(), pinned.pin, meter.as_ref());
                meter.done(row.state.as_str());
                Ok((pinned, row, proved))
            },
            |(pinned, row, proved): (&Pinned<'_>, Row, Option<ProvedFile>)| {
                match proved {
                    Some(proved) => {
                        let (name, kind) = (pinned.name().clone(), pinned.artifact.kind);
                        files.push(FolderFile { name, kind, proved: Arc::new(proved) });
                    }
                    // Only a host without an engine would use it.
                    None if row.state == State::Missing && pinned.artifact.kind == Kind::Engine => {}
                    None => wrong.push((row, folder.url_to_show(&pinned.artifact.locations()))),
                }
                Ok(())
            },
        )?;
        if !wrong.is_empty() {
            let names: Vec<&str> = wrong.iter().map(|(row, _)| row.name.as_str()).collect();
            return Err(not_as_pinned(folder, &wrong)
                .hint(tr!("where the folder was made: {}; then copy the folder again", folder.get_again(&names))));
        }
        Ok(FolderFiles { folder: folder.clone(), manifest, platform, files })
    }

    fn file(&self, name: &RelPath) -> Result<&FolderFile> {
        self.files.iter().find(|file| file.name == *name).ok_or_else(|| {
            let again = self.folder.get_again(&[name.as_str()]);
            Error::failed(tr!("there is no Docker here, and {} is not in {}", name, self.folder.root().display()))
                .hint(tr!("where the folder was made: {}; then copy the folder again", again))
        })
    }

    fn copy_small(&self, root: &Path) -> Result<()> {
        let write = |name: &str, bytes: &[u8]| StagedFile::write(&root.join(name), bytes, 0o644);
        write(FILE_NAME, self.manifest.text().as_bytes())?;
        if let Some(signature) = small_file::read_if_there(&self.folder.root().join(SIGNATURE_NAME), LIMIT)? {
            write(SIGNATURE_NAME, &signature)?;
        }
        let run = self.manifest.run();
        for file in &self.files {
            if !is_small(file.kind, file.proved.size()) && run != Some(&file.name) {
                continue;
            }
            let target = file.name.below(root);
            if let Some(parent) = target.parent() {
                make_folder(parent, 0o700)?;
            }
            let mut staged = StagedFile::create(&target)?;
            file.proved.copy(&mut file.proved.reader(), staged.file(), &target)?;
            staged.place(file.kind.mode())?;
        }
        Ok(())
    }
}
