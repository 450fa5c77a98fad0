//! Onto a stick: a file system behind a loop device.

mod heal;
mod medium;
mod parity;
mod refused;
mod typed;
