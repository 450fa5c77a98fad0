//! Text to [`Manifest`]: the raw serde shapes, and every rule of schema 1 with the line that breaks it.
//!
//! The shapes borrow each value as raw JSON, so that its line in the text is known also for rules that serde does
//! not check.

use std::collections::HashMap;
use std::fmt::Display;

use jiff::Timestamp;
use semver::Version;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::engine_ref::{self, EngineRef};
use super::not_a_manifest::{instead_of_object, kind_of};
use super::registry_ref::RegistryRef;
use super::{
    Artifact, ArtifactId, FILE_NAME, Kind, Limits, Manifest, Pin, ProductName, SCHEMA_VERSION, SIGNATURE_NAME,
};
use crate::digest::Digest;
use crate::error::{Error, Result, is_bidi_control};
use crate::path::RelPath;
use crate::platform::Platform;

/// Names in a folder that are its own: artifacts cannot have them, nor lie below them.
const RESERVED: [&str; 4] = [FILE_NAME, SIGNATURE_NAME, ".pack", "oci"];

#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow, rename = "schemaVersion")]
    version: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ManifestKeys<'a> {
    #[serde(borrow, rename = "schemaVersion")]
    _schema_version: &'a RawValue,
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    version: &'a RawValue,
    /// For editors.
    #[serde(borrow, rename = "$schema")]
    json_schema: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    homepage: Option<&'a RawValue>,
    #[serde(borrow)]
    run: Option<&'a RawValue>,
    #[serde(borrow)]
    expires: Option<&'a RawValue>,
    #[serde(borrow)]
    artifacts: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawArtifact<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    kind: &'a RawValue,
    #[serde(borrow)]
    platform: Option<&'a RawValue>,
    #[serde(borrow)]
    urls: &'a RawValue,
    #[serde(borrow)]
    size: Option<&'a RawValue>,
    #[serde(borrow)]
    digest: Option<&'a RawValue>,
    #[serde(borrow)]
    cosign_key: Option<&'a RawValue>,
}

/// The text and what to call it in an error.
struct ManifestText<'a> {
    text: &'a str,
    origin: &'a str,
}

impl<'a> ManifestText<'a> {
    /// The line on which `part`, a slice of the text, begins; counted from 1.
    fn line_of(&self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    fn error(&self, line: usize, why: impl Display) -> Error {
        Error::failed("the manifest is not valid")
            .fact("manifest", self.origin)
            .fact("line", line)
            .fact("reason", why)
            .hint("correct that line; the README and docs/manifest.md show what a manifest looks like")
    }

    fn at(&self, value: &RawValue, why: impl Display) -> Error {
        self.error(self.line_of(value.get()), why)
    }

    /// Reads `part`, a slice of the text, as a `T`.
    fn read<T: Deserialize<'a>>(&self, part: &'a str) -> Result<T> {
        serde_json::from_str(part).map_err(|error| {
            let line = self.line_of(part) + error.line().saturating_sub(1);
            let message = error.to_string();
            let reason = message.split(" at line ").next().unwrap_or_default().to_owned();
            self.error(line, if error.is_eof() { format!("the text ends too early: {reason}") } else { reason })
        })
    }

    /// Reads what `key` has, which must be `wanted`.
    fn value<T: Deserialize<'a>>(&self, key: &str, value: &'a RawValue, wanted: Wanted) -> Result<T> {
        if !wanted.fits(value.get()) {
            let why = format_args!("{key} is {}, and must be {}", kind_of(value.get()), wanted.as_str());
            return Err(self.at(value, why));
        }
        let message = |error: serde_json::Error| {
            let message = error.to_string();
            message.split(" at line ").next().unwrap_or_default().to_owned()
        };
        serde_json::from_str(value.get()).map_err(|error| self.at(value, format_args!("{key}: {}", message(error))))
    }

    fn text(&self, key: &str, value: &'a RawValue) -> Result<String> {
        self.value(key, value, Wanted::Text)
    }

    fn parse<T>(&self, key: &str, value: &'a RawValue) -> Result<T>
    where
        T: std::str::FromStr<Err: Display>,
    {
        let text = self.text(key, value)?;
        text.parse().map_err(|why| self.at(value, format_args!("{key}: {why}")))
    }
}

/// What a key asks for.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Number,
    List,
    Object,
}

impl Wanted {
    fn as_str(self) -> &'static str {
        match self {
            Wanted::Text => "a text in quotes",
            Wanted::Number => "a number",
            Wanted::List => "a list",
            Wanted::Object => "an object",
        }
    }

    fn fits(self, json: &str) -> bool {
        let first = json.as_bytes().first();
        match self {
            Wanted::Text => first == Some(&b'"'),
            Wanted::Number => matches!(first, Some(b'-' | b'0'..=b'9')),
            Wanted::List => first == Some(&b'['),
            Wanted::Object => first == Some(&b'{'),
        }
    }
}

pub(super) fn manifest(text: String, origin: &str) -> Result<Manifest> {
    let limits = Limits::DEFAULT;
    if text.len() as u64 > limits.manifest_bytes {
        return Err(Error::failed("the manifest is too large")
            .fact("manifest", origin)
            .fact("size", text.len())
            .fact("limit", limits.manifest_bytes)
            .hint("check that this is a manifest: it lists artifacts, it does not hold them"));
    }
    let source = ManifestText { text: &text, origin };
    if let Some((what, hint)) = instead_of_object(&text) {
        return Err(Error::failed("this is not a manifest").fact("manifest", origin).fact("reason", what).hint(hint));
    }
    let schema: Schema = source.read(&text)?;
    let found = schema.version.get();
    if found != SCHEMA_VERSION.to_string() {
        let found = if Wanted::Number.fits(found) { found.to_owned() } else { kind_of(found) };
        return Err(source
            .at(schema.version, format_args!("schemaVersion is {found}; this pack reads {SCHEMA_VERSION}"))
            .hint("get a pack that reads this schema, or correct schemaVersion"));
    }
    let document: ManifestKeys = source.read(&text)?;
    let name: ProductName = source.parse("name", document.name)?;
    let version: Version = source.parse("version", document.version)?;
    document.json_schema.map(|schema| source.text("$schema", schema)).transpose()?;
    let description = document.description.map(|text| line(&source, "description", text)).transpose()?;
    let homepage = document.homepage.map(|url| line(&source, "homepage", url)).transpose()?;
    if let (Some(url), Some(raw)) = (&homepage, document.homepage)
        && !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    {
        return Err(source.at(raw, "homepage is no http or https URL"));
    }
    let run: Option<RelPath> = document.run.map(|run| source.parse("run", run)).transpose()?;
    let expires: Option<Timestamp> = document.expires.map(|expires| source.parse("expires", expires)).transpose()?;
    let raw: Vec<&RawValue> = source.value("artifacts", document.artifacts, Wanted::List)?;
    if raw.is_empty() || raw.len() > limits.artifacts {
        let why = format!("a manifest has 1 to {} artifacts; this one has {}", limits.artifacts, raw.len());
        return Err(source.at(document.artifacts, why));
    }
    let artifacts = raw.iter().map(|raw| artifact(&source, raw, &version)).collect::<Result<Vec<_>>>()?;
    check_names(&source, &artifacts, &raw)?;
    if let (Some(run), Some(raw)) = (&run, document.run) {
        let named: Vec<_> = artifacts.iter().filter(|artifact| artifact.id.name == *run).collect();
        if named.is_empty() {
            return Err(source.at(raw, format_args!("run names no artifact: '{run}'")));
        }
        if named.iter().any(|artifact| artifact.kind != Kind::Script) {
            return Err(source.at(raw, format_args!("run names '{run}', whose kind is not 'script'")));
        }
    }
    check_product(&source, &artifacts, &raw)?;
    Ok(Manifest { name, version, description, homepage, run, expires, artifacts, text })
}

/// One line of text that is shown to people.
fn line<'a>(source: &ManifestText<'a>, key: &str, raw: &'a RawValue) -> Result<String> {
    let text = source.text(key, raw)?;
    let most = Limits::DEFAULT.url_bytes;
    if text.is_empty() || text.len() > most {
        return Err(source.at(raw, format_args!("{key} has 1 to {most} bytes; this one has {}", text.len())));
    }
    if text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        return Err(source.at(raw, format_args!("{key} has a control character")));
    }
    Ok(text)
}

fn artifact(source: &ManifestText<'_>, raw: &RawValue, version: &Version) -> Result<Artifact> {
    // Two lifetimes meet here: the value's text is a part of the source's.
    let part = ManifestText { text: source.text, origin: source.origin };
    if !Wanted::Object.fits(raw.get()) {
        return Err(part.at(raw, format_args!("an artifact is {}, and must be an object", kind_of(raw.get()))));
    }
    let shape: RawArtifact = part.read(raw.get())?;
    let name: RelPath = part.parse("name", shape.name)?;
    let first = name.parts().next().unwrap_or_default().to_lowercase();
    // A file that is being written has such a name, and one that is left over is removed.
    let staged = first.starts_with('.') && first.ends_with(".partial");
    if RESERVED.contains(&first.as_str()) || staged {
        return Err(part.at(shape.name, format_args!("the name '{name}' is the folder's own")));
    }
    // serde's own message would quote the text in place of the list, and with it any password.
    let urls: Vec<String> = serde_json::from_str(shape.urls.get())
        .map_err(|_| part.at(shape.urls, "urls is not a list of texts: [\"https://…\"]"))?;
    let urls = with_version(urls, version).map_err(|why| part.at(shape.urls, why))?;
    check_urls(&urls).map_err(|why| part.at(shape.urls, why))?;
    let size: Option<u64> = shape.size.map(|size| part.value("size", size, Wanted::Number)).transpose()?;
    if let (Some(size), Some(raw)) = (size, shape.size)
        && size > Limits::DEFAULT.artifact_bytes
    {
        return Err(part
            .at(raw, format_args!("a size of {size} bytes is over the limit of {}", Limits::DEFAULT.artifact_bytes)));
    }
    let digest: Option<Digest> = shape.digest.map(|digest| part.parse("digest", digest)).transpose()?;
    if let (Some(raw), None) = (shape.size, digest) {
        return Err(part.at(raw, "a size without a digest pins nothing: give both, or leave both to 'pack lock'"));
    }
    if let (Some(0), Some(raw), Some(pinned)) = (size, shape.size, digest)
        && pinned != Digest::of(b"")
    {
        return Err(part.at(raw, "a size of 0 bytes with the digest of something else: nothing can be both"));
    }
    let kind: Kind = part.value("kind", shape.kind, Wanted::Text)?;
    let is_in_registry = urls.iter().any(|url| RegistryRef::parse(url).is_ok());
    let cosign_key = shape.cosign_key.map(|key| part.parse("cosignKey", key)).transpose()?;
    if let (Some(raw), false) = (shape.cosign_key, is_in_registry) {
        return Err(part.at(raw, "cosignKey is of an image in a registry, and no URL is an oci:// one"));
    }
    if kind != Kind::Image && is_in_registry {
        return Err(part.at(shape.kind, "an oci:// URL names an image, so the artifact's kind is 'image'"));
    }
    engine_ref::check(&urls, kind).map_err(|why| part.at(shape.urls, why))?;
    Ok(Artifact {
        id: ArtifactId {
            name,
            platform: shape.platform.map(|platform| part.parse::<Platform>("platform", platform)).transpose()?,
        },
        kind,
        urls,
        pin: digest.map(|digest| Pin { size, digest }),
        cosign_key,
    })
}

/// A host has one description of a product.
fn check_product(source: &ManifestText<'_>, artifacts: &[Artifact], raw: &[&RawValue]) -> Result<()> {
    let mut products: Vec<&Artifact> = Vec::new();
    for (artifact, raw) in artifacts.iter().zip(raw).filter(|(artifact, _)| artifact.kind == Kind::Product) {
        let shares = |other: &&Artifact| match (other.id.platform, artifact.id.platform) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        if let Some(other) = products.iter().copied().find(shares) {
            let (one, other) = (&other.id.name, &artifact.id.name);
            return Err(
                source.at(raw, format_args!("'{one}' and '{other}' are both of kind 'product' for one platform"))
            );
        }
        products.push(artifact);
    }
    Ok(())
}

/// No two artifacts may claim one place in a folder, also where the file system folds case (a USB stick).
fn check_names(source: &ManifestText<'_>, artifacts: &[Artifact], raw: &[&RawValue]) -> Result<()> {
    let mut files: HashMap<String, Vec<&Artifact>> = HashMap::new();
    let mut sorted: Vec<(String, usize)> = Vec::new();
    for (artifact, raw) in artifacts.iter().zip(raw) {
        let folded = artifact.id.name.as_str().to_lowercase();
        let others = files.entry(folded.clone()).or_default();
        if let Some(other) = others.iter().find(|other| other.id.name != artifact.id.name) {
            let why = format!("the names '{}' and '{}' differ only in case", other.id.name, artifact.id.name);
            return Err(source.at(raw, why));
        }
        if others.iter().any(|other| other.id.shares_place(&artifact.id)) {
            return Err(source.at(raw, format_args!("the name '{}' is given twice for one platform", artifact.id.name)));
        }
        engine_ref::check_place(artifact, others).map_err(|why| source.at(raw, why))?;
        others.push(artifact);
        sorted.push((folded, sorted.len()));
    }
    // By their parts: what lies in a folder comes right behind a file of that folder's name.
    sorted.sort_by(|(one, _), (other, _)| one.split('/').cmp(other.split('/')));
    for pair in sorted.windows(2) {
        let [(outer, file), (inner, below)] = pair else { continue };
        if inner.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/')) {
            let (file, inner, raw) = (&artifacts[*file].id.name, &artifacts[*below].id.name, raw[*file]);
            return Err(source.at(raw, format_args!("'{file}' is a file, yet '{inner}' lies in a folder of that name")));
        }
    }
    Ok(())
}

/// Names a URL without the parts that may be secret: errors end up in logs.
fn named(number: usize, text: &str) -> String {
    match Url::parse(text) {
        Ok(url) => match url.host_str() {
            Some(host) => format!("URL {number} ({}://{host}/…)", url.scheme()),
            // Without its scheme, a URL's user or token is read as the scheme.
            None => format!("URL {number}"),
        },
        Err(_) => format!("URL {number}"),
    }
}

/// What stands in a URL for the product's version.
pub(super) const VERSION: &str = "${version}";

/// The URLs with the product's version where [`VERSION`] stands.
fn with_version(urls: Vec<String>, version: &Version) -> std::result::Result<Vec<String>, String> {
    let version = version.to_string();
    let whole = urls.into_iter().map(|url| url.replace(VERSION, &version)).collect::<Vec<_>>();
    match whole.iter().position(|url| url.contains("${")) {
        Some(place) => Err(format!("URL {} has a '${{' that does not begin {VERSION}", place + 1)),
        None => Ok(whole),
    }
}

fn check_urls(urls: &[String]) -> std::result::Result<(), String> {
    let limits = Limits::DEFAULT;
    if urls.is_empty() || urls.len() > limits.urls {
        return Err(format!("an artifact has 1 to {} URLs; this one has {}", limits.urls, urls.len()));
    }
    for (place, text) in urls.iter().enumerate() {
        let name = || named(place + 1, text);
        if text.is_empty() || text.len() > limits.url_bytes {
            return Err(format!("a URL has 1 to {} bytes; {} has {}", limits.url_bytes, name(), text.len()));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || is_bidi_control(c)) {
            return Err(format!("{} has a blank or control character", name()));
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https" | "file") => {}
            Ok(url) if url.scheme() == "oci" => {
                RegistryRef::parse(text).map_err(|why| format!("{}: {why}", name()))?;
            }
            Ok(url) if url.scheme() == EngineRef::SCHEME => {
                EngineRef::parse(text).map_err(|why| format!("URL {}: {why}", place + 1))?;
            }
            Ok(url) if url.has_host() => {
                return Err(format!("{} has the scheme '{}': use http, https, oci or file", name(), url.scheme()));
            }
            Ok(_) => return Err(format!("{} is neither http nor https nor file, nor a path", name())),
            Err(url::ParseError::RelativeUrlWithoutBase) => {}
            Err(why) => return Err(format!("{} cannot be read: {why}", name())),
        }
    }
    Ok(())
}
