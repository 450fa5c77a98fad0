//! The house rules: of the sources and what they use, of the documents, of the example.

mod dependencies;
mod documents;
mod example;
mod files;
mod floors;
mod hints;
mod hook_texts;
mod languages;
mod limits;
mod products;
mod schemas;
mod translations;
