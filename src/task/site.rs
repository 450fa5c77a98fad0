//! The life of a product on its host, a use case a file. What all of them need is in [`installed`] and [`at_work`].

pub mod at_work;
pub mod configure;
pub mod install;
pub mod installed;
pub mod look;
pub mod publisher;
pub mod recover;
pub mod restore;
pub mod rollback;
mod source;
pub mod upkeep;
