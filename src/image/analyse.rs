//! One artifact: what it holds, and how it is carried.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Image;
use super::archive::{ArchiveMembers, ArchiveReader};
use super::blob::{Blob, BlobLocation};
use super::content::{ArtifactContent, Codec};
use super::fault::ArchiveFault;
use super::gzip::{self, Records, Scan};
use super::layers::{AT_MOST_PART, take_off_compression};
use super::limits::ImageLimits;
use super::options::AnalysisOptions;
use super::prove::{Gzips, prove};
use super::recipe::{Part, Recipe, Record};
use super::resolve::{Resolved, Resolver};
use super::sniff::{HEAD, sniff};
use crate::digest::{BoundedWriter, Descriptor, Digest, HashingReader, HashingWriter};
use crate::error::{Error, IoContext, Result};
use crate::progress::Meter;

/// The size of the pieces that are read at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// How an artifact is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Representation {
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
    /// The digest and size of the whole artifact.
    pub file: Descriptor,
    /// The images in it; none in an artifact that is not an archive of images.
    pub images: Vec<Image>,
    /// Their configs, JSON as it was, by image ID.
    pub configs: BTreeMap<Digest, Vec<u8>>,
    /// How it is carried.
    pub representation: Representation,
    /// The blobs that the representation needs, each once, in the order of the archive.
    pub blobs: Vec<Blob>,
    /// What whoever packs it should know: sentences without their full stops.
    pub remarks: Vec<String>,
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
    options: &AnalysisOptions,
    meter: &dyn Meter,
) -> Result<Analysis> {
    let mut head = Vec::new();
    let mut file = File::open(path).doing("open", path)?;
    (&mut file).take(HEAD as u64).read_to_end(&mut head).doing("read", path)?;
    drop(file);
    let sniffed = sniff(&head, &options.limits);
    let codec = sniffed.clone().ok().flatten();
    let task = Task { path, artifact, codec, options, meter, read: AtomicU64::new(0) };
    match sniffed {
        Err(what) if holds_images => Err(ArchiveFault::whole(what.to_string()).error(artifact)),
        Err(what) => task.not_decompressed(what.to_string()),
        Ok(_) if holds_images => task.images(),
        Ok(_) => task.other(),
    }
}

impl ImageLimits {
    /// What is left of them beside `analysis`: however many archives there are, what is in memory of all is bounded.
    pub fn beside(self, analysis: &Analysis) -> Self {
        let recipe = match &analysis.representation {
            Representation::Rebuilt(recipe) => recipe.memory(),
            Representation::Exported | Representation::AsIs(_) => 0,
        };
        let configs: u64 = analysis.configs.values().map(|config| config.len() as u64).sum();
        ImageLimits {
            recipe_bytes: self.recipe_bytes.saturating_sub(recipe),
            documents_bytes: self.documents_bytes.saturating_sub(configs),
            ..self
        }
    }
}

struct Task<'a> {
    path: &'a Path,
    artifact: &'a str,
    codec: Option<Codec>,
    options: &'a AnalysisOptions,
    meter: &'a dyn Meter,
    /// What the meter was last given.
    read: AtomicU64,
}

/// The artifact's file; tells the meter what was read of it.
struct MeteredFile<'a> {
    file: File,
    task: &'a Task<'a>,
}

impl Read for MeteredFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.task.meter.add(count as u64);
        self.task.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Takes what is written to it; its error comes through I/O as it is.
struct Taker<'a>(&'a mut dyn FnMut(&[u8]) -> Result<()>);

impl Write for Taker<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What one pass over an artifact found.
struct Pass {
    file: Descriptor,
    content: ArtifactContent,
    /// The records of the outer gzip, or why there are none; `None` without compression.
    records: Option<Result<Vec<Record>, String>>,
}

impl Task<'_> {
    /// What it means that decoding the artifact failed.
    fn fault(&self, cause: io::Error) -> Error {
        match cause.downcast::<Error>() {
            Ok(ours) => ours,
            Err(cause) => match ArchiveFault::of(&cause) {
                Some(fault) => fault.error(self.artifact),
                None => Error::io("read", self.path, cause),
            },
        }
    }

    /// Opens the artifact's file; what was read of it before is read again.
    fn open(&self) -> Result<MeteredFile<'_>> {
        self.meter.retract(self.read.swap(0, Ordering::Relaxed));
        Ok(MeteredFile { file: File::open(self.path).doing("open", self.path)?, task: self })
    }

    /// Reads the artifact to its end and gives its decompressed content to `on_content`.
    fn pass(&self, on_content: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Pass> {
        let file = self.open()?;
        let length = file.file.metadata().doing("read", self.path)?.len();
        let limits = self.options.limits;
        let content = ArtifactContent { path: self.path.to_owned(), codec: self.codec, points: Vec::new(), limits };
        let fault = |cause: io::Error| self.fault(cause);
        if self.codec == Some(Codec::Gzip) {
            let wanted =
                if self.options.wants_records() { Records::AtMost(length / AT_MOST_PART) } else { Records::NotWanted };
            let Scan { file, points, records } = gzip::scan(file, self.options.cores, wanted, &fault, on_content)?;
            return Ok(Pass { file, content: ArtifactContent { points, ..content }, records: Some(records) });
        }
        let mut source = HashingReader::new(file);
        let mut taker = Taker(on_content);
        match self.codec {
            None => copy(&mut source, &mut taker),
            Some(codec) => codec.decoder(&mut source, &limits).and_then(|mut reader| copy(&mut reader, &mut taker)),
        }
        .map_err(fault)?;
        io::copy(&mut source, &mut io::sink()).doing("read", self.path)?;
        let records =
            self.codec.map(|codec| Err(format!("its compression, {}, cannot be put on again exactly", codec.name())));
        Ok(Pass { file: source.finish().1, content, records })
    }

    fn images(&self) -> Result<Analysis> {
        let mut archive = ArchiveReader::new(self.options.limits);
        let explain = |fault: ArchiveFault| fault.error(self.artifact);
        let pass = self.pass(&mut |content| archive.feed(content).map_err(explain)).map_err(|error| {
            // What is wrong with the compression is reported with the member it is in.
            match ArchiveFault::behind(&error) {
                Some(fault) if fault.member.is_none() => {
                    explain(ArchiveFault { member: archive.at(), ..fault.clone() })
                }
                _ => error,
            }
        })?;
        let (members, mut parts) = archive.finish().map_err(explain)?;
        let limits = self.options.limits;
        let resolver = Resolver { artifact: self.artifact, members: &members, platform: self.options.platform, limits };
        let Resolved { mut images, configs, passed_over } = resolver.images()?;
        let done = |images: Vec<Image>, representation, blobs| Analysis {
            configs: configs.clone(),
            remarks: passed_over.clone(),
            ..self.analysis(pass.file, images, representation, blobs)
        };
        let kept = match &pass.records {
            Some(_) if self.options.keep_compressed => Some("compressed files are kept as they are".to_owned()),
            Some(Err(why)) if self.options.originals => Some(why.clone()),
            _ => None,
        };
        if let Some(why) = kept {
            return Ok(done(images, Representation::AsIs(why), Vec::new()));
        }
        let content = Arc::new(pass.content);
        let mut blobs = blobs_of(&parts, &images, &members, &content);
        let gzips =
            take_off_compression(&mut images, &mut parts, &mut blobs, self.options, &|cause| self.fault(cause))?;
        if !self.options.originals {
            let needed: HashSet<Digest> =
                images.iter().flat_map(|image| &image.layers).map(|layer| layer.blob().digest).collect();
            blobs.retain(|blob| needed.contains(&blob.descriptor.digest));
            return Ok(done(images, Representation::Exported, blobs));
        }
        let parts = match pass.records {
            Some(Ok(records)) => vec![Part::Gzip { content: parts, records }],
            _ => parts,
        };
        let recipe = Recipe { original: pass.file, parts };
        let again = content.open(0).doing("read", self.path)?;
        Ok(match prove(&recipe, &gzips, Some(again), &limits) {
            Ok(()) => done(images, Representation::Rebuilt(recipe), blobs),
            Err(why) => done(images, unproved(&why), Vec::new()),
        })
    }

    fn analysis(
        &self,
        file: Descriptor,
        images: Vec<Image>,
        representation: Representation,
        blobs: Vec<Blob>,
    ) -> Analysis {
        let artifact = self.artifact.to_owned();
        let (configs, remarks) = (BTreeMap::new(), Vec::new());
        Analysis { artifact, file, images, configs, representation, blobs, remarks }
    }

    /// An artifact that is not an archive of images: its gzip is taken off where it can be put on again.
    fn other(&self) -> Result<Analysis> {
        if self.codec != Some(Codec::Gzip) || !self.options.wants_records() {
            let why =
                if self.codec.is_none() { "it is not compressed" } else { "compressed files are kept as they are" };
            return self.as_is(why.to_owned());
        }
        let limit = self.options.limits.content_bytes;
        let mut hashing = HashingWriter::new(BoundedWriter::new(io::sink(), limit));
        let too_much = || ArchiveFault::whole(format!("it unpacks to over {limit} bytes")).error(self.artifact);
        let pass = self.pass(&mut |content| hashing.write_all(content).map_err(|_| too_much()));
        let why = match pass {
            Ok(Pass { file, content, records: Some(Ok(records)) }) => {
                let descriptor = hashing.finish().1;
                let whole = vec![Part::Blob(descriptor)];
                let recipe = Recipe { original: file, parts: vec![Part::Gzip { content: whole, records }] };
                // The blob's digest is that of the content that was scanned.
                return Ok(match prove(&recipe, &Gzips::new(), None, &self.options.limits) {
                    Ok(()) => {
                        let location = BlobLocation { content: Arc::new(content), offset: 0, packed: None };
                        let blobs = vec![Blob { descriptor, location }];
                        self.analysis(file, Vec::new(), Representation::Rebuilt(recipe), blobs)
                    }
                    Err(why) => self.analysis(file, Vec::new(), unproved(&why), Vec::new()),
                });
            }
            Ok(Pass { file, records, .. }) => {
                let why = records.and_then(Result::err).unwrap_or_else(|| "it is not compressed".to_owned());
                return Ok(self.analysis(file, Vec::new(), Representation::AsIs(why), Vec::new()));
            }
            // Its bytes are what was pinned; that they are not a good gzip file is not ours to judge.
            Err(error) => match ArchiveFault::behind(&error) {
                Some(fault) => fault.reason.clone(),
                None => return Err(error),
            },
        };
        self.not_decompressed(why)
    }

    /// As it is, since its compression cannot be read for this reason: that is said, for nobody else takes it off either.
    fn not_decompressed(&self, why: String) -> Result<Analysis> {
        let remark = format!("it is packed as it is, and 'pack cat --decompress' will not unpack it: {why}");
        Ok(Analysis { remarks: vec![remark], ..self.as_is(why)? })
    }

    fn as_is(&self, why: String) -> Result<Analysis> {
        let file = Descriptor::of_reader(self.open()?).doing("read", self.path)?;
        Ok(self.analysis(file, Vec::new(), Representation::AsIs(why), Vec::new()))
    }
}

/// Copies in pieces that are worth a call to the tar reader.
fn copy(reader: &mut dyn Read, taker: &mut Taker<'_>) -> io::Result<()> {
    io::copy(&mut BufReader::with_capacity(BUFFER, reader), taker).map(drop)
}

fn unproved(why: &str) -> Representation {
    Representation::AsIs(format!("its recipe cannot be used: {why}"))
}

/// The blobs of an archive: its parts', and the layers that are so small that they lie with the framing.
fn blobs_of(parts: &[Part], images: &[Image], members: &ArchiveMembers, content: &Arc<ArtifactContent>) -> Vec<Blob> {
    let mut blobs = Vec::new();
    let mut known = HashSet::new();
    let mut found = |descriptor: Descriptor, offset| {
        if known.insert(descriptor.digest) {
            blobs.push(Blob { descriptor, location: BlobLocation { content: content.clone(), offset, packed: None } });
        }
    };
    let mut offset = 0;
    for part in parts {
        match part {
            Part::Literal(bytes) => offset += bytes.len() as u64,
            Part::Blob(blob) => {
                found(*blob, offset);
                offset += blob.size;
            }
            Part::Gzip { .. } => {}
        }
    }
    let offsets = members.offsets();
    for layer in images.iter().flat_map(|image| &image.layers) {
        if let Some(&offset) = offsets.get(&layer.blob().digest) {
            found(layer.blob(), offset);
        }
    }
    blobs
}
