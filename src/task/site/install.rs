//! Installing and updating: a bundle becomes what runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::at_work::{AtWork, need_root};
use super::installed::trusted;
use super::source::Source;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::manifest::{Manifest, upgrade};
use crate::own_file;
use crate::path::{RelPath, shell_word};
use crate::product::Product;
use crate::progress::Progress;
use crate::site::lifecycle::{
    Addresses, Change, Configuration, Delivery, Deployed, Finding, Instance, Level, Place, Provision, Receipt, State,
    VersionFiles, carried_engine, forget_old, is_docker_absent, is_taken_away, keep_pack, load_images, preflight,
    prepare, provision,
};
use crate::staged_file::StagedFile;
use crate::task::commands::checking_bundle;
use crate::task::signed::Signed;
use crate::task::trust::Trust;

/// What is to be installed, and how.
#[derive(Debug)]
pub struct Options {
    /// The bundle, or the folder that a download made.
    pub source: PathBuf,
    /// Options of the product, as they were typed.
    pub chosen: Vec<(String, String)>,
    /// Where the data is to lie.
    pub install_dir: Option<String>,
    /// The addresses of a swarm, where one is made.
    pub addresses: Addresses,
    /// Whether an older version may take the place of a newer one.
    pub allow_downgrade: bool,
    /// Whether it must be installed already.
    pub only_update: bool,
    /// A configuration file that takes the place of the product's own.
    pub configuration: Option<PathBuf>,
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
    /// The carried container engine that is for this host, where it has none.
    pub engine: Option<RelPath>,
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
struct Prepared {
    place: Place,
    /// What is installed now, or was until its data alone was left.
    installed: Option<Instance>,
    /// What is to be, with the files of a copy that goes away.
    to: Instance,
    /// Where that copy lies.
    _copy: TempDir,
    /// What would bring this host a Docker that runs, where none does.
    provision: Option<Provision>,
    plan: Plan,
}

/// Looks at bundle and host and says what would be done. Nothing is changed.
///
/// # Errors
/// The bundle is damaged, not what was signed, has no product, or is older than what is installed.
pub fn plan(options: &Options, progress: &dyn Progress) -> Result<Plan> {
    let source = Source::open(&options.source)?;
    let place = Place::named(source.name())?;
    let (delivery, signed) = source.check(&trusted(&place, &options.trust)?, progress)?;
    Ok(look(options, &place, &delivery, signed)?.plan)
}

/// Installs or updates. Where no Docker runs, one is brought first, as soon as nothing else is in the way. `show` gets the plan
/// before anything else is changed.
///
/// # Errors
/// As [`plan`]; or the host is not ready; or the change failed, and what ran before runs again: see the error.
pub fn run(options: &Options, at_work: &AtWork<'_>, show: &dyn Fn(&Plan) -> Result<()>) -> Result<Receipt> {
    let started = Instant::now();
    let source = Source::open(&options.source)?;
    // Who may not change anything is told before the bundle is read.
    need_root()?;
    let place = Place::named(source.name())?;
    let _lock = AtWork::keep_others_away(&place)?;
    // What another run left unfinished comes to its end with a Docker only.
    let mut is_taken_up = !is_docker_absent();
    if is_taken_up {
        at_work.take_up(&place)?;
    }
    let (delivery, signed) = source.check(&trusted(&place, &options.trust)?, at_work.progress)?;
    let mut prepared = look(options, &place, &delivery, signed)?;
    let mut unready = tr!("this host is not ready: nothing was changed");
    if let Some(provision) = prepared.provision.take() {
        provision.carry_out(at_work.watch())?;
        unready = tr!("this host is not ready: Docker runs now, and nothing else was changed");
        is_taken_up = false;
    }
    if !is_taken_up && prepared.plan.is_ready() {
        at_work.take_up(&place)?;
        prepared = look(options, &place, &delivery, prepared.plan.signed)?;
    }
    show(&prepared.plan)?;
    if !prepared.plan.is_ready() {
        return Err(Error::failed(unready).hint(tr!("see to the errors above, then the same command again")));
    }
    checking_bundle(&options.source, install(options, &delivery, prepared, at_work, started))
}

fn look(options: &Options, place: &Place, delivery: &Delivery<'_>, signed: Signed) -> Result<Prepared> {
    let installed = State::read(place)?.map(|state| Instance::of(state, place)).transpose()?;
    // Who takes the stack and its folder away by hand has uninstalled it too.
    let gone = installed.as_ref().is_some_and(is_taken_away);
    let installed = installed.filter(|_| !gone);
    let known = installed.as_ref().map(|installed| &installed.state);
    if options.only_update && known.is_none() {
        return Err(Error::failed(tr!("{} is not installed on this host", place.name()))
            .hint(tr!("install it: sh {}", shell_word(&options.source))));
    }
    // What is in use is read again from where it is kept; here a copy serves that goes away.
    let copy = tempfile::tempdir()
        .map_err(|cause| Error::failed(tr!("cannot make a temporary folder")).fact("cause", &cause).caused_by(cause))?;
    let files = VersionFiles::copy(delivery, &copy.path().join("files"))?;
    check_succession(place, installed.as_ref(), files.manifest(), options.allow_downgrade)?;
    let to = Instance { state: settle(options, place, known, &files)?, files };
    let mut findings = preflight(&to, known, options.addresses.pool.as_deref());
    let engine = carried_engine(&to, &findings);
    let provision = provision(&to, delivery, &mut findings);
    let plan = Plan {
        name: place.name().to_owned(),
        title: to.files.product().title.clone(),
        from: known.filter(|state| !state.removed).map(|state| state.current.version.to_string()),
        to: to.state.current.version.to_string(),
        install_dir: to.state.install_dir.clone(),
        options: to.state.current.options.clone(),
        images: to.files.images()?.iter().map(ToString::to_string).collect(),
        engine,
        findings,
        signed,
    };
    Ok(Prepared { place: place.clone(), installed, to, _copy: copy, provision, plan })
}

fn check_succession(place: &Place, old: Option<&Instance>, new: &Manifest, allow_downgrade: bool) -> Result<()> {
    let Some(old) = old else { return Ok(()) };
    if allow_downgrade {
        return upgrade::check_product(old.files.manifest(), new);
    }
    let checked = upgrade::check_upgrade(old.files.manifest(), new);
    checked.map_err(|error| {
        error.fact("installed", &old.state.current.version).hint(tr!(
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
            Error::usage(tr!("{} has no option '{name}'", product.title, name))
                .fact("options", if known.is_empty() { "none".to_owned() } else { known.join(", ") })
                .hint(tr!("the same command without it"))
        })?;
        let value = option.typed(text).map_err(|allowed| {
            Error::usage(tr!("the option '{name}' is {allowed}", name, allowed)).fact("given", text).hint(tr!(
                "as in: --set {name}={}",
                option.default,
                name
            ))
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
            return Err(Error::usage(tr!("it is installed in another folder, and a host has it once"))
                .fact("installed in", &known.install_dir)
                .hint(tr!("the same command without --install-dir")));
        }
        return Ok(known.install_dir.clone());
    }
    let dir = given.unwrap_or(&product.install_dir);
    if !Product::is_install_dir(dir) {
        return Err(Error::usage(tr!("the install dir is an absolute path of letters, digits, '.', '_' and '-'"))
            .fact("given", dir)
            .hint(tr!("as in: --install-dir {}", product.install_dir)));
    }
    Ok(dir.to_owned())
}

fn install(
    options: &Options,
    delivery: &Delivery<'_>,
    prepared: Prepared,
    at_work: &AtWork<'_>,
    started: Instant,
) -> Result<Receipt> {
    let Prepared { place, installed, mut to, plan, .. } = prepared;
    let from = installed.as_ref().filter(|installed| !installed.state.removed);
    at_work.progress.phase("loading");
    to.state.current.images = load_images(delivery, &to.files, at_work.progress)?;
    to.files = VersionFiles::keep(delivery, &place)?;
    to.files.note_loaded(to.state.current.images.values())?;
    if let Some(brought) = &options.configuration {
        Configuration::expect(&to)?.adopt(brought)?;
    }
    prepare(&to, installed.as_ref(), &options.addresses)?;
    keep_pack()?;
    let signed = plan.signed.to_string();
    let change = Change { place: &place, from, to: &to, restore: None, signed, started };
    // Before it is committed: wherever it is broken off, no version runs of which nobody judges the next.
    let is_new_key = keep_key(&place, &options.trust)?;
    let committed = change.make(at_work.watch()).inspect_err(|_| {
        if is_new_key {
            // One that stays judges what comes next, no more.
            let _ = own_file::remove(&place.trusted_key());
        }
    })?;
    forget_old(&committed.state, installed.as_ref().map(|installed| &installed.state), &place)?;
    Ok(committed.receipt)
}

/// The first installation keeps the key that judged it; whether there was none before.
fn keep_key(place: &Place, trust: &Trust) -> Result<bool> {
    let path: &Path = &place.trusted_key();
    match &trust.key {
        Some(key) if !path.exists() => StagedFile::write(path, key.file_text().as_bytes(), 0o644).map(|()| true),
        _ => Ok(false),
    }
}
