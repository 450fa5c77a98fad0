//! Onto a stick: a file system behind a loop device.

mod medium;
mod refused;
mod typed;
