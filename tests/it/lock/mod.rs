//! `pack lock`: what it pins, and where it resumes.

mod engine;
mod pins;
mod resume;
mod version;
