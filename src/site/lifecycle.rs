//! The life of a product on its host: installed, updated and taken back in one transaction, the same for every product.
//!
//! ```text
//! what there is    product (product.yaml)  version_files  state  place  receipt
//! what is asked    preflight  observe  swarm
//! what is changed  images  folders  configuration  random  deploy  gate  watch  dump  hook  left_over  boot
//! the transaction  change  way_back, drawn in journal
//! ```

mod boot;
mod change;
mod configuration;
mod deploy;
mod docker;
mod dump;
mod folders;
mod gate;
mod hook;
mod images;
mod instance;
mod journal;
mod left_over;
mod observe;
mod place;
mod preflight;
mod random;
mod receipt;
mod state;
mod swarm;
mod upkeep;
mod version_files;
mod watch;
mod way_back;

pub use boot::{INSTALLED, keep_pack};
pub use change::{Change, Committed, Recovered, recover};
pub use configuration::Configuration;
pub use images::load as load_images;
pub use instance::Instance;
pub use place::Place;
pub use preflight::{Finding, Level, preflight};
pub use receipt::Receipt;
pub use state::{Deployed, Previous, State};
pub use upkeep::{
    ServiceStatus, backup, forget_old, prepare, reconfigure, recover_configuration, restart, status, stop, uninstall,
};
pub use version_files::VersionFiles;
pub use watch::Watch;
