//! On site: the launcher, and images loaded into an engine.

mod as_docker_load;
mod bare_host;
mod engine_room;
mod in_a_folder;
mod interrupted;
mod keys;
mod launcher;
mod load;
mod load_faults;
mod one_stream;
mod places;
mod runtime;
mod scripts;
mod shells;
mod stick;
mod words;
