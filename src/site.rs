//! What happens on site: the launcher that a bundle begins with, and the runtime's side of it.

mod engine;
mod kept;
mod launcher;
mod load;
mod order;
mod power_cut;
mod run;
mod runtime;
mod signals;

pub use launcher::header;
pub use load::{load_from_bundle, load_from_folder};
pub use run::{is_unpacked, run};
pub use runtime::Runtime;
pub use signals::{Signals, watch};
