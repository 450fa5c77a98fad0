//! The house rules: of the sources, of the documents, of the example.

mod documents;
mod example;
mod files;
mod floors;
mod hints;
mod self_contained;
