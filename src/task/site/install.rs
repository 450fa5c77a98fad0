//! Installing and updating: a bundle becomes what runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::at_work::{AtWork, need_root};
use crate::bundle::{Bundle, BundleAccess, Scope};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, upgrade};
use crate::path::shell_word;
use crate::product::Product;
use crate::progress::Progress;
use crate::signature::PublicKey;
use crate::site::lifecycle::{
    Change, Deployed, Finding, Instance, Level, Place, Receipt, State, VersionFiles, forget_old, keep_pack,
    load_images, preflight, prepare,
};
use crate::staged_file::StagedFile;
use crate::task::commands::checking_bundle;
use crate::task::signed::Signed;
use crate::task::trust::Trust;
use crate::task::whole_bundle::expect_whole;

/// What is to be installed, and how.
#[derive(Debug)]
pub struct Options {
    /// The bundle.
    pub bundle: PathBuf,
    /// Options of the product, as they were typed.
    pub chosen: Vec<(String, String)>,
    /// Where the data is to lie.
    pub install_dir: Option<String>,
    /// The address by which other nodes reach this one.
    pub advertise: Option<String>,
    /// Whether an older version may take the place of a newer one.
    pub allow_downgrade: bool,
    /// Whether it must be installed already.
    pub only_update: bool,
    /// The publisher.
    pub trust: Trust,
}

/// What would be done.
#[derive(Debug)]
pub struct Plan {
    /// The product.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The version that is installed.
    pub from: Option<String>,
    /// The version that is to be.
    pub to: String,
    /// Where the data lies.
    pub install_dir: String,
    /// All options, chosen or not.
    pub options: BTreeMap<String, Value>,
    /// The images of the stack.
    pub images: Vec<String>,
    /// What was found on this host.
    pub findings: Vec<Finding>,
    /// Who signed the bundle.
    pub signed: Signed,
}

impl Plan {
    /// Whether nothing that was found stands in the way.
    pub fn is_ready(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Error)
    }
}

/// What is planned, ready to be carried out.
struct Prepared<'a> {
    bundle: BundleAccess<'a>,
    place: Place,
    /// What is installed now, or was until its data alone was left.
    installed: Option<Instance>,
    /// What is to be, with the files of a copy that goes away.
    to: Instance,
    /// Where that copy lies.
    _copy: TempDir,
    plan: Plan,
}

/// Looks at bundle and host and says what would be done. Nothing is changed.
///
/// # Errors
/// The bundle is damaged, not what was signed, has no product, or is older than what is installed.
pub fn plan(options: &Options, progress: &dyn Progress) -> Result<Plan> {
    let bundle = Bundle::open(&options.bundle)?;
    Ok(look(options, &bundle, progress)?.plan)
}

/// Installs or updates. `show` gets the plan before anything is changed.
///
/// # Errors
/// As [`plan`]; or the host is not ready; or the change failed, and what ran before runs again: see the error.
pub fn run(options: &Options, at_work: &AtWork<'_>, show: &dyn Fn(&Plan) -> Result<()>) -> Result<Receipt> {
    let started = Instant::now();
    let bundle = Bundle::open(&options.bundle)?;
    // Who may not change anything is told before the bundle is read.
    need_root()?;
    let name = &bundle.index().name;
    let place = Place::named(name)?;
    let _lock = at_work.begin(&place)?;
    let prepared = look(options, &bundle, at_work.progress)?;
    show(&prepared.plan)?;
    if !prepared.plan.is_ready() {
        return Err(Error::failed("this host is not ready: nothing was changed")
            .hint("see to the errors above, then the same command again"));
    }
    checking_bundle(&options.bundle, install(options, prepared, at_work, started))
}

fn look<'a>(options: &Options, bundle: &'a Bundle, progress: &dyn Progress) -> Result<Prepared<'a>> {
    expect_whole(bundle, "changed", progress)?;
    let place = Place::named(&bundle.index().name)?;
    let trust = trusted(&place, &options.trust)?;
    let (access, signed) = trust.access(bundle, Scope::Everything, progress)?;
    let installed = State::read(&place)?.map(|state| Instance::of(state, &place)).transpose()?;
    let known = installed.as_ref().map(|installed| &installed.state);
    if options.only_update && known.is_none() {
        return Err(Error::failed(format_args!("{} is not installed on this host", place.name()))
            .hint(format_args!("install it: sh {}", shell_word(&options.bundle))));
    }
    // What is in use is read again from where it is kept; here a copy serves that goes away.
    let copy = tempfile::tempdir()
        .map_err(|cause| Error::failed("cannot make a temporary folder").fact("cause", &cause).caused_by(cause))?;
    let files = VersionFiles::copy(&access, &copy.path().join("files"))?;
    check_succession(&place, installed.as_ref(), files.manifest(), options.allow_downgrade)?;
    let to = Instance { state: settle(options, &place, known, &files)?, files };
    let plan = Plan {
        name: place.name().to_owned(),
        title: to.files.product().title.clone(),
        from: known.filter(|state| !state.removed).map(|state| state.current.version.to_string()),
        to: to.state.current.version.to_string(),
        install_dir: to.state.install_dir.clone(),
        options: to.state.current.options.clone(),
        images: to.files.images()?.iter().map(ToString::to_string).collect(),
        findings: preflight(&to, known),
        signed,
    };
    Ok(Prepared { bundle: access, place, installed, to, _copy: copy, plan })
}

/// After the first installation it is the host's own key that judges.
fn trusted(place: &Place, typed: &Trust) -> Result<Trust> {
    let path = place.trusted_key();
    if !path.exists() {
        return Ok(typed.clone());
    }
    let key = PublicKey::parse(&path)?;
    if let Some(other) = &typed.key
        && other.id() != key.id()
    {
        return Err(Error::integrity("this host trusts another publisher for this product")
            .fact("trusted", key.id())
            .fact("given", other.id())
            .fact("path", path.display())
            .hint(format_args!(
                "if its publisher has a new key: mv {0} {0}.before; then the same command again",
                shell_word(&path)
            )));
    }
    let key_file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Trust { key: Some(key), key_file, strict: typed.strict })
}

fn check_succession(place: &Place, old: Option<&Instance>, new: &Manifest, allow_downgrade: bool) -> Result<()> {
    let Some(old) = old else { return Ok(()) };
    if allow_downgrade {
        return upgrade::check_product(old.files.manifest(), new);
    }
    let checked = upgrade::check_upgrade(old.files.manifest(), new);
    checked.map_err(|error| {
        error.fact("installed", &old.state.current.version).hint(format_args!(
            "to go back to the version before: pack site rollback --name {}; if this is meant: --allow-downgrade",
            place.name()
        ))
    })
}

/// What was not chosen stays as it was; else as the product has it.
fn settle(options: &Options, place: &Place, known: Option<&State>, files: &VersionFiles) -> Result<State> {
    let product: &Product = files.product();
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    for (name, option) in &product.options {
        let before =
            known.and_then(|state| state.current.options.get(name)).filter(|value| option.check(value).is_ok());
        values.insert(name.clone(), before.unwrap_or(&option.default).clone());
    }
    for (name, text) in &options.chosen {
        let known: Vec<&str> = product.options.keys().map(String::as_str).collect();
        let option = product.options.get(name).ok_or_else(|| {
            Error::usage(format_args!("{} has no option '{name}'", product.title))
                .fact("options", if known.is_empty() { "none".to_owned() } else { known.join(", ") })
                .hint("the same command without it")
        })?;
        let value = option.typed(text).map_err(|allowed| {
            Error::usage(format_args!("the option '{name}' is {allowed}"))
                .fact("given", text)
                .hint(format_args!("as in: --set {name}={}", option.default))
        })?;
        values.insert(name.clone(), value);
    }
    let install_dir = install_dir(options, known, product)?;
    let version = files.manifest().version().clone();
    let current = Deployed { version, options: values, images: BTreeMap::new() };
    Ok(State { name: place.name().to_owned(), install_dir, current, previous: None, stopped: false, removed: false })
}

fn install_dir(options: &Options, known: Option<&State>, product: &Product) -> Result<String> {
    let given = options.install_dir.as_deref().map(|dir| dir.trim_end_matches('/'));
    if let Some(known) = known {
        if given.is_some_and(|given| given != known.install_dir) {
            return Err(Error::usage("it is installed in another folder, and a host has it once")
                .fact("installed in", &known.install_dir)
                .hint("the same command without --install-dir"));
        }
        return Ok(known.install_dir.clone());
    }
    let dir = given.unwrap_or(&product.install_dir);
    if !Product::is_install_dir(dir) {
        return Err(Error::usage("the install dir is an absolute path of letters, digits, '.', '_' and '-'")
            .fact("given", dir)
            .hint(format_args!("as in: --install-dir {}", product.install_dir)));
    }
    Ok(dir.to_owned())
}

fn install(options: &Options, prepared: Prepared<'_>, at_work: &AtWork<'_>, started: Instant) -> Result<Receipt> {
    let Prepared { bundle, place, installed, mut to, plan, .. } = prepared;
    let from = installed.as_ref().filter(|installed| !installed.state.removed);
    at_work.progress.phase("loading");
    to.state.current.images = load_images(&bundle, &to.files, at_work.progress)?;
    to.files = VersionFiles::keep(&bundle, &place)?;
    prepare(&to, installed.as_ref(), options.advertise.as_deref())?;
    keep_pack()?;
    let signed = plan.signed.to_string();
    let change = Change { place: &place, from, to: &to, restore: None, signed, started };
    let committed = change.make(at_work.watch())?;
    keep_key(&place, &options.trust)?;
    forget_old(&committed.state, installed.as_ref().map(|installed| &installed.state), &place)?;
    Ok(committed.receipt)
}

/// The first installation keeps the key that judged it.
fn keep_key(place: &Place, trust: &Trust) -> Result<()> {
    let path: &Path = &place.trusted_key();
    match &trust.key {
        Some(key) if !path.exists() => StagedFile::write(path, key.file_text().as_bytes(), 0o644),
        _ => Ok(()),
    }
}
