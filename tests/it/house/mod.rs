//! The house rules: of the sources and what they use, of the documents, of the example.

mod dependencies;
mod documents;
mod example;
mod files;
mod floors;
mod hints;
mod products;
mod self_contained;
