//! Downloads: from good servers, from bad ones, and through what lies between.

mod attacks;
mod cache;
mod credentials;
mod faults;
mod http;
mod manners;
mod mirrors;
mod partial;
mod quirks;
mod ranges;
mod shared;
mod signature_faults;
mod soak;
mod stale_proxy;
mod tls;
