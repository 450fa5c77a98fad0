//! `pack site preflight`, `install` and `update`.

use super::*;
use crate::language::tr;
use crate::product::typed_text;
use crate::site::lifecycle::{Addresses, Finding, Level, Receipt};
use crate::task::site::install::{self, Options, Plan};

/// A bundle, and what is chosen for it.
#[derive(Args)]
pub(super) struct BundleArgs {
    /// The bundle, or the folder that 'pack download' made
    bundle: PathBuf,
    /// Choose an option of the product; what is not chosen stays as it was
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Where its data is to lie [default: as the product has it]
    #[arg(long, value_name = "DIR")]
    install_dir: Option<String>,
    /// The address by which other nodes of a swarm reach this host [default: none does]
    #[arg(long, value_name = "ADDRESS")]
    advertise_addr: Option<String>,
    /// The addresses for the networks of the swarm, where its own choice is taken on this site, such as 10.200.0.0/16
    #[arg(long, value_name = "SUBNET")]
    addr_pool: Option<String>,
    /// Begin with this configuration file, as the first host of a pair has it
    #[arg(long, value_name = "FILE")]
    configuration: Option<PathBuf>,
    /// Install an older version over a newer one
    #[arg(long)]
    allow_downgrade: bool,
    /// How long the new version may take to come up [default: as the product has it]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Args)]
pub(super) struct InstallArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Check, and say what would be done; change nothing
    #[arg(long)]
    dry_run: bool,
}

impl BundleArgs {
    fn options(&self, only_update: bool) -> Result<Options> {
        Ok(Options {
            source: self.bundle.clone(),
            chosen: self.set.clone(),
            install_dir: self.install_dir.clone(),
            addresses: Addresses { advertise: self.advertise_addr.clone(), pool: self.addr_pool.clone() },
            allow_downgrade: self.allow_downgrade,
            only_update,
            configuration: self.configuration.clone(),
            trust: self.key.read()?,
        })
    }
}

pub(super) fn preflight(args: &BundleArgs, terminal: &Terminal) -> Result<u8> {
    let progress = terminal.progress();
    let plan = install::plan(&args.options(false)?, progress.as_ref())?;
    drop(progress);
    terminal.document(&plan_document(&plan))?;
    show_plan(&plan, terminal)?;
    Ok(u8::from(!plan.is_ready()))
}

pub(super) fn run(args: &InstallArgs, only_update: bool, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let mut options = args.bundle.options(only_update)?;
    if args.dry_run {
        return preflight(&args.bundle, terminal);
    }
    publisher::confirm(&mut options, terminal)?;
    let receipt = at_work(terminal, signals, args.bundle.timeout, |at_work| {
        install::run(&options, at_work, &|plan| show_plan(plan, terminal))
    })?;
    terminal.document(&receipt)?;
    installed(&receipt, terminal)?;
    Ok(0)
}

pub(super) fn installed(receipt: &Receipt, terminal: &Terminal) -> Result<()> {
    let mut text = tr!("\n{} {} runs ({})\n", receipt.name, receipt.version, terminal.took());
    text += &tr!("  data      {}\n  receipt   pack site receipt\n  look      pack site status\n", receipt.install_dir);
    if let Some(previous) = &receipt.previous {
        text += &tr!("  back      pack site rollback: {previous}, with its database as it was\n", previous);
    }
    terminal.text(&text)
}

fn show_plan(plan: &Plan, terminal: &Terminal) -> Result<()> {
    let what = match &plan.from {
        Some(from) if *from == plan.to => tr!("{} {from} again", plan.title, from),
        Some(from) => tr!("{}: {from} becomes {}", plan.title, plan.to, from),
        None => format!("{} {}", plan.title, plan.to),
    };
    let options: Vec<String> =
        plan.options.iter().map(|(name, value)| format!("{name}={}", typed_text(value))).collect();
    let mut text = tr!("{what}\n  signature {}\n  data      {}\n", plan.signed, plan.install_dir, what);
    if !options.is_empty() {
        text += &tr!("  options   {}\n", options.join(" "));
    }
    terminal.text(&text)?;
    show_findings(&plan.findings, terminal)
}

pub(super) fn show_findings(findings: &[Finding], terminal: &Terminal) -> Result<()> {
    if findings.is_empty() {
        return terminal.text(&tr!("nothing found on this host that stands in the way"));
    }
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("  {:<8} {}\n           -> {}", finding.level.word(), finding.what, finding.remedy))
        .collect();
    let text = lines.join("\n");
    // What stands in the way is shown with --quiet too.
    if terminal.quiet() && findings.iter().any(|finding| finding.level == Level::Error) && !terminal.json() {
        return terminal.raw(format!("{text}\n").as_bytes());
    }
    terminal.text(&text)
}

fn plan_document(plan: &Plan) -> Value {
    json!({
        "name": plan.name,
        "from": plan.from,
        "to": plan.to,
        "installDir": plan.install_dir,
        "options": plan.options,
        "images": plan.images,
        "signature": plan.signed.as_str(),
        "engine": plan.engine,
        "ready": plan.is_ready(),
        "findings": plan.findings,
    })
}
