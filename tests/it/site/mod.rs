//! On site: the launcher, and images loaded into an engine.

mod launcher;
mod load;
mod runtime;
