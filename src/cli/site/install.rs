//! `pack site preflight`, `install` and `update`.

use super::*;
use crate::product::typed_text;
use crate::site::lifecycle::{Finding, Level, Receipt};
use crate::task::site::install::{self, Options, Plan};

/// A bundle, and what is chosen for it.
#[derive(Args)]
pub(super) struct BundleArgs {
    /// The bundle
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
    /// Install an older version over a newer one
    #[arg(long)]
    allow_downgrade: bool,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Args)]
pub(super) struct InstallArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// How long the new version may take to come up [default: as the product has it]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    /// Check, and say what would be done; change nothing
    #[arg(long)]
    dry_run: bool,
}

impl BundleArgs {
    fn options(&self, only_update: bool) -> Result<Options> {
        Ok(Options {
            bundle: self.bundle.clone(),
            chosen: self.set.clone(),
            install_dir: self.install_dir.clone(),
            advertise: self.advertise_addr.clone(),
            allow_downgrade: self.allow_downgrade,
            only_update,
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
    let options = args.bundle.options(only_update)?;
    if args.dry_run {
        return preflight(&args.bundle, terminal);
    }
    let receipt = at_work(terminal, signals, args.timeout, |at_work| {
        install::run(&options, at_work, &|plan| show_plan(plan, terminal))
    })?;
    terminal.document(&receipt)?;
    installed(&receipt, terminal)?;
    Ok(0)
}

pub(super) fn installed(receipt: &Receipt, terminal: &Terminal) -> Result<()> {
    let mut text = format!("\n{} {} runs ({})\n", receipt.name, receipt.version, terminal.took());
    text +=
        &format!("  data      {}\n  receipt   pack site receipt\n  look      pack site status\n", receipt.install_dir);
    if let Some(previous) = &receipt.previous {
        text += &format!("  back      pack site rollback: {previous}, with its database as it was\n");
    }
    terminal.text(&text)
}

fn show_plan(plan: &Plan, terminal: &Terminal) -> Result<()> {
    let what = match &plan.from {
        Some(from) if *from == plan.to => format!("{} {from} again", plan.title),
        Some(from) => format!("{}: {from} becomes {}", plan.title, plan.to),
        None => format!("{} {}", plan.title, plan.to),
    };
    let options: Vec<String> =
        plan.options.iter().map(|(name, value)| format!("{name}={}", typed_text(value))).collect();
    let mut text = format!("{what}\n  signature {}\n  data      {}\n", plan.signed, plan.install_dir);
    if !options.is_empty() {
        text += &format!("  options   {}\n", options.join(" "));
    }
    terminal.text(&text)?;
    show_findings(&plan.findings, terminal)
}

pub(super) fn show_findings(findings: &[Finding], terminal: &Terminal) -> Result<()> {
    if findings.is_empty() {
        return terminal.text("nothing found on this host that stands in the way");
    }
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("  {:<8} {}\n           -> {}", finding.level.as_str(), finding.what, finding.remedy))
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
        "ready": plan.is_ready(),
        "findings": plan.findings,
    })
}
