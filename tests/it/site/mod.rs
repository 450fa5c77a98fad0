//! On site: the launcher, and images loaded into an engine.

mod interrupted;
mod keys;
mod launcher;
mod load;
mod load_faults;
mod places;
mod runtime;
mod scripts;
mod shells;
mod stick;
mod words;
