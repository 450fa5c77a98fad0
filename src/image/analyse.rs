//! One artifact: what it holds, and how it is carried.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::archive::{ArchiveReader, Compression, Fault};
use super::blob::{Blob, Place, add};
use super::gzip::{self, Records, Scan};
use super::hashing::HashingReader;
use super::options::Options;
use super::prove::{Gzips, prove};
use super::recipe::{Part, Recipe};
use super::resolve::{Resolver, bad};
use super::text::{Outer, Text};
use super::{Image, Layer, Stored};
use crate::digest::{Descriptor, Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::progress::Meter;

/// Corrections may take so much of the stream they are for; with more, nothing would be gained.
const MOST_CORRECTIONS: u64 = 50;

/// How an artifact is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// As its blobs and a recipe: it comes back bit for bit.
    Rebuilt(Recipe),
    /// As its images' blobs: it comes back as a plain docker archive.
    Exported,
    /// As it is, for this reason.
    AsIs(String),
}

/// What an artifact turned out to be.
#[derive(Debug)]
pub struct Analysis {
    /// The artifact's name, for messages and errors.
    pub artifact: String,
    /// The artifact's size in bytes.
    pub size: u64,
    /// The digest of the whole artifact.
    pub digest: Digest,
    /// The images in it; none in an artifact that is no archive of images.
    pub images: Vec<Image>,
    /// How it is carried.
    pub form: Form,
    /// The blobs that the form needs, each once, in the order of the archive.
    pub blobs: Vec<Blob>,
}

/// Reads the artifact at `path` to its end and finds out how it is carried. `holds_images` says that it
/// must be an archive of images; of another artifact only its gzip compression is looked through. `meter`
/// counts the artifact's bytes as they are read.
///
/// # Errors
/// It cannot be read; or it is to hold images and is cut short, damaged, hostile, has a layer that is not
/// what its image's config says, or an image of another platform.
pub fn analyse(
    path: &Path,
    artifact: &str,
    holds_images: bool,
    options: &Options,
    meter: &dyn Meter,
) -> Result<Analysis> {
    let mut first = [0; 6];
    let mut file = File::open(path).doing("open", path)?;
    let read = io::copy(&mut (&mut file).take(6), &mut &mut first[..]).doing("read", path)?;
    let outer = Outer::of(&first[..read as usize]);
    drop(file);
    let task = Task { path, artifact, outer, options, meter, read: AtomicU64::new(0) };
    if holds_images { task.images() } else { task.other() }
}

struct Task<'a> {
    path: &'a Path,
    artifact: &'a str,
    outer: Outer,
    options: &'a Options,
    meter: &'a dyn Meter,
    /// What the meter was told.
    read: AtomicU64,
}

/// The artifact's file; what is read of it is told to the meter.
struct Metered<'a> {
    file: File,
    task: &'a Task<'a>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.task.meter.add(count as u64);
        self.task.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// An artifact's content was read once.
struct Seen {
    size: u64,
    digest: Digest,
    text: Text,
    /// The records of the outer gzip, or why there are none; `None` without compression.
    records: Option<Result<Vec<super::recipe::Record>, String>>,
}

impl Task<'_> {
    fn fault(&self, cause: &io::Error) -> Error {
        match cause.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::OutOfMemory // more than it may ask for
            | io::ErrorKind::Other => bad(self.artifact, Fault { member: None, reason: cause.to_string() }),
            kind => Error::io("read", self.path, io::Error::new(kind, cause.to_string())),
        }
    }

    /// The artifact's file, from its begin; whatever was read of it before is read again.
    fn open(&self) -> Result<Metered<'_>> {
        self.meter.retract(self.read.swap(0, Ordering::Relaxed));
        Ok(Metered { file: File::open(self.path).doing("open", self.path)?, task: self })
    }

    fn wants_records(&self) -> bool {
        self.options.originals && !self.options.keep_compressed
    }

    /// Reads the artifact to its end and gives its content to `on_text`.
    fn see(&self, on_text: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Seen> {
        let file = self.open()?;
        let length = file.file.metadata().doing("read", self.path)?.len();
        let limits = self.options.limits;
        let text = Text { path: self.path.to_owned(), outer: self.outer, points: Vec::new(), limits };
        let fault = |cause: &io::Error| self.fault(cause);
        if self.outer == Outer::Gzip {
            let most = length / MOST_CORRECTIONS;
            let wanted = if self.wants_records() { Records::AtMost(most) } else { Records::NotWanted };
            let Scan { size, digest, points, records, .. } =
                gzip::scan(file, self.options.cores, wanted, &fault, on_text)?;
            return Ok(Seen { size, digest, text: Text { points, ..text }, records: Some(records) });
        }
        let mut hasher = Hasher::new();
        let mut source = HashingReader { source: file, hasher: &mut hasher };
        let mut reader = self.outer.reader(&mut source, &limits).map_err(|cause| fault(&cause))?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => on_text(&buffer[..count])?,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(fault(&cause)),
            }
        }
        drop(reader);
        io::copy(&mut source, &mut io::sink()).doing("read", self.path)?;
        let compressed = || Err(format!("its compression, {}, cannot be put on again exactly", self.outer.name()));
        let records = (self.outer != Outer::Plain).then(compressed);
        Ok(Seen { size: hasher.length(), digest: hasher.finish(), text, records })
    }

    fn images(&self) -> Result<Analysis> {
        let mut archive = ArchiveReader::new(self.options.limits);
        let told = |fault| bad(self.artifact, fault);
        let seen = self.see(&mut |text| archive.feed(text).map_err(told)).map_err(|error| match archive.at() {
            Some(member) if error.fact_named("reason").is_some() && error.fact_named("member").is_none() => {
                error.fact("member", member)
            }
            _ => error,
        })?;
        let (members, mut parts) = archive.finish().map_err(told)?;
        let limits = self.options.limits;
        let resolver = Resolver { artifact: self.artifact, members: &members, platform: self.options.platform, limits };
        let mut images = resolver.images()?;
        let text = std::sync::Arc::new(seen.text);
        let mut blobs = Vec::new();
        let mut offset = 0;
        for part in &parts {
            match part {
                Part::Literal(bytes) => offset += bytes.len() as u64,
                Part::Blob { digest, size } => {
                    add(
                        &mut blobs,
                        Blob {
                            digest: *digest,
                            size: *size,
                            place: Place { text: text.clone(), offset, packed: None },
                        },
                    );
                    offset += size;
                }
                Part::Gzip { .. } => {}
            }
        }
        let kept = match &seen.records {
            _ if self.options.keep_compressed && self.outer != Outer::Plain => {
                Some("compressed files are kept as they are".to_owned())
            }
            Some(Err(why)) if self.options.originals => Some(why.clone()),
            _ => None,
        };
        if let Some(why) = kept {
            return Ok(self.analysis(seen.size, seen.digest, images, Form::AsIs(why), Vec::new()));
        }
        // Small layers lie with the framing; as blobs they are needed all the same.
        for image in &images {
            for layer in &image.layers {
                self.small(layer.stored, &members, &text, &mut blobs);
            }
        }
        let gzips = self.take_off_compression(&mut images, &mut parts, &mut blobs)?;
        if !self.options.originals {
            let needed: Vec<Digest> =
                images.iter().flat_map(|image| &image.layers).map(|layer| layer.stored.digest).collect();
            blobs.retain(|blob| needed.contains(&blob.digest));
            return Ok(self.analysis(seen.size, seen.digest, images, Form::Exported, blobs));
        }
        let parts = match seen.records {
            Some(Ok(records)) => vec![Part::Gzip { text: parts, records }],
            _ => parts,
        };
        let recipe = Recipe { size: seen.size, digest: seen.digest, parts };
        let content = text.open(0).doing("read", self.path)?;
        let proof = prove(&recipe, &gzips, Some(content), &limits);
        Ok(self.rebuilt(images, recipe, blobs, proof))
    }

    /// The analysis with a recipe, if that is proved.
    fn rebuilt(&self, images: Vec<Image>, recipe: Recipe, blobs: Vec<Blob>, proof: Result<(), String>) -> Analysis {
        let (size, digest) = (recipe.size, recipe.digest);
        match proof {
            Ok(()) => self.analysis(size, digest, images, Form::Rebuilt(recipe), blobs),
            Err(why) => {
                let why = format!("its recipe cannot be used: {why}");
                self.analysis(size, digest, images, Form::AsIs(why), Vec::new())
            }
        }
    }

    fn analysis(&self, size: u64, digest: Digest, images: Vec<Image>, form: Form, blobs: Vec<Blob>) -> Analysis {
        Analysis { artifact: self.artifact.to_owned(), size, digest, images, form, blobs }
    }

    fn small(
        &self,
        stored: Stored,
        members: &super::archive::Members,
        text: &std::sync::Arc<Text>,
        blobs: &mut Vec<Blob>,
    ) {
        if let Some(offset) = members.offset_of(&stored.digest) {
            let place = Place { text: text.clone(), offset, packed: None };
            add(blobs, Blob { digest: stored.digest, size: stored.size, place });
        }
    }

    /// Layers that are compressed inside the archive are carried without that, where it can be put on again
    /// exactly, or where that is not asked for.
    fn take_off_compression(&self, images: &mut [Image], parts: &mut [Part], blobs: &mut Vec<Blob>) -> Result<Gzips> {
        let mut gzips = Gzips::new();
        let mut outcomes: Vec<(Digest, Option<Vec<super::recipe::Record>>)> = Vec::new();
        for layer in images.iter_mut().flat_map(|image| &mut image.layers) {
            let Some(compression) = layer.stored.compression else { continue };
            let packed = layer.stored;
            let known = outcomes.iter().position(|(digest, _)| *digest == packed.digest);
            let at = match known {
                Some(at) => at,
                None => {
                    outcomes.push((packed.digest, self.layer_records(compression, layer, blobs)?));
                    outcomes.len() - 1
                }
            };
            if outcomes[at].1.is_none() && self.options.originals {
                continue;
            }
            let plain = Stored { digest: layer.diff_id, size: layer.size, compression: None };
            if known.is_none()
                && let Some(blob) = blobs.iter().find(|blob| blob.digest == packed.digest).cloned()
            {
                let place = Place { packed: Some((compression, packed.size)), ..blob.place };
                add(blobs, Blob { digest: plain.digest, size: plain.size, place });
                if let Some(records) = outcomes[at].1.take() {
                    let text = vec![Part::Blob { digest: plain.digest, size: plain.size }];
                    let gzip = Part::Gzip { text, records };
                    gzips.insert(gzip.digest(), Descriptor { digest: packed.digest, size: packed.size });
                    for part in parts.iter_mut() {
                        if matches!(part, Part::Blob { digest, .. } if *digest == packed.digest) {
                            *part = gzip.clone();
                        }
                    }
                    outcomes[at].1 = Some(Vec::new());
                }
                blobs.retain(|blob| blob.digest != packed.digest);
            }
            layer.stored = plain;
        }
        Ok(gzips)
    }

    fn layer_records(
        &self,
        compression: Compression,
        layer: &Layer,
        blobs: &[Blob],
    ) -> Result<Option<Vec<super::recipe::Record>>> {
        if compression != Compression::Gzip || !self.wants_records() {
            return Ok(None);
        }
        let packed = layer.stored;
        let Some(blob) = blobs.iter().find(|blob| blob.digest == packed.digest) else { return Ok(None) };
        let wanted = Records::AtMost(packed.size / MOST_CORRECTIONS);
        let mut hasher = Hasher::new();
        let scan = gzip::scan(blob.open()?, self.options.cores, wanted, &|cause| self.fault(cause), &mut |text| {
            hasher.update(text);
            Ok(())
        })?;
        let same = (scan.size, scan.digest) == (packed.size, packed.digest)
            && (hasher.length(), hasher.finish()) == (layer.size, layer.diff_id);
        Ok(scan.records.ok().filter(|_| same))
    }

    /// An artifact that is no archive of images: its gzip is taken off where it can be put on again.
    fn other(&self) -> Result<Analysis> {
        if self.outer != Outer::Gzip || !self.wants_records() {
            let why = if self.outer == Outer::Plain {
                "it is not compressed"
            } else {
                "compressed files are kept as they are"
            };
            return self.as_is(why.to_owned());
        }
        let mut hasher = Hasher::new();
        let most = self.options.limits.text_bytes;
        let seen = self.see(&mut |text| {
            hasher.update(text);
            let reason = || format!("it unpacks to over {most} bytes");
            if hasher.length() > most {
                Err(bad(self.artifact, Fault { member: None, reason: reason() }))
            } else {
                Ok(())
            }
        });
        let why = match seen {
            Ok(Seen { size, digest, text, records: Some(Ok(records)) }) => {
                let (length, plain) = (hasher.length(), hasher.finish());
                let blob = Part::Blob { digest: plain, size: length };
                let recipe = Recipe { size, digest, parts: vec![Part::Gzip { text: vec![blob], records }] };
                let place = Place { text: std::sync::Arc::new(text), offset: 0, packed: None };
                let blobs = vec![Blob { digest: plain, size: length, place }];
                // The blob's digest is that of the text that was scanned.
                let proof = prove(&recipe, &Gzips::new(), None, &self.options.limits);
                return Ok(self.rebuilt(Vec::new(), recipe, blobs, proof));
            }
            Ok(Seen { size, digest, records, .. }) => {
                let why = records.and_then(Result::err).unwrap_or_else(|| "it is not compressed".to_owned());
                return Ok(self.analysis(size, digest, Vec::new(), Form::AsIs(why), Vec::new()));
            }
            // Its bytes are what was pinned; that they are no good gzip file is not for us to judge.
            Err(error) => error.fact_named("reason").unwrap_or("it cannot be unpacked").to_owned(),
        };
        self.as_is(why)
    }

    fn as_is(&self, why: String) -> Result<Analysis> {
        let Descriptor { size, digest } = Descriptor::of_reader(self.open()?).doing("read", self.path)?;
        Ok(self.analysis(size, digest, Vec::new(), Form::AsIs(why), Vec::new()))
    }
}
