//! The house rules: of the sources and what they use, of the documents, of the example.

mod dependencies;
mod documents;
mod example;
mod files;
mod floors;
mod self_contained;
