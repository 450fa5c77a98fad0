//! Downloads: from good servers, from bad ones, and through what lies between.

mod attacks;
mod cacert_forms;
mod cache;
mod credentials;
mod failing_once;
mod faults;
mod http;
mod kept;
mod manners;
mod mirrors;
mod not_absent;
mod odd_responses;
mod others;
mod partial;
mod proxy_as_curl;
mod quirks;
mod ranges;
mod shared;
mod signature_faults;
mod signed_product;
pub(crate) mod soak;
mod stale_proxy;
mod tls;
mod tls_as_curl;
mod tls_ends;
mod too_little;
