//! The life of a product on its host: installed, updated and taken back in one transaction, the same for every product.
//!
//! ```text
//! what there is    product (product.yaml)  delivery  version_files  state  place  receipt  findings
//! what is asked    preflight  observe  swarm
//! what is brought  bare_host
//! what is changed  moving  images  folders  configuration  random  logs  mounts  deploy  own_stack  gate  watch  dump  whole_backup  exchange  hook  left_over  boot
//! the transaction  change  way_back, drawn in journal
//! ```

mod bare_host;
mod boot;
mod change;
mod configuration;
mod delivery;
mod deploy;
mod docker;
mod dump;
mod exchange;
mod findings;
mod folders;
mod gate;
mod hook;
mod images;
mod instance;
mod journal;
mod left_over;
mod logs;
mod mounts;
mod moving;
mod observe;
mod own_stack;
mod place;
mod preflight;
mod random;
mod receipt;
mod reserve;
mod stale_ports;
mod state;
mod swarm;
mod upkeep;
mod version_files;
mod watch;
mod way_back;
mod whole_backup;

pub use bare_host::{Provision, is_absent as is_docker_absent, provision};
pub use boot::{INSTALLED, keep_pack};
pub use change::{Change, Committed, Recovered, recover};
pub use configuration::Configuration;
pub use delivery::{Delivery, FolderFiles};
pub use docker::{log_of, pass_on_logs};
pub use findings::of_product;
pub use images::load as load_images;
pub use instance::Instance;
pub use moving::move_outside;
pub use place::Place;
pub use preflight::{Finding, Level, carried_engine, expect_own_engine, preflight};
pub use receipt::Receipt;
pub use state::{Deployed, Previous, State};
pub use swarm::Addresses;
pub use upkeep::{
    ServiceStatus, backup, forget_old, is_taken_away, prepare, reconfigure, recover_configuration, restart, status,
    stop, uninstall,
};
pub use version_files::VersionFiles;
pub use watch::Watch;
pub use whole_backup::{backup_whole, check_whole_backup, is_whole_backup, restore_whole};
