//! `pack lock`: what it pins, and where it resumes.

mod pins;
mod resume;
mod version;
