//! What happens on site: the product's script is run, images go into the container engine.

mod brought;
mod by_layer;
mod engine;
mod engine_room;
mod home;
mod kept;
pub mod lifecycle;
mod load;
mod loading;
mod one_stream;
mod order;
mod power_cut;
mod question;
mod run;
mod sending;
mod signals;
mod silence;

pub use brought::{Brought, NamedFile};
pub use load::{load_from_bundle, load_from_folder};
pub use run::{is_unpacked, run};
pub use signals::{Interruption, Signals, watch};
