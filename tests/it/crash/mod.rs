//! Kills and power cuts: what is left is never wrong, and the next run finishes.

mod durable;
mod killed;
mod killed_on_site;
mod power_cut;
mod system_calls;
