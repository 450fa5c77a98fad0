//! Looking into an error. Only tests do: what code decides by is a variant or a field.

use pack::error::Error;

/// An error's facts by their names.
pub trait Facts {
    /// The value of the first fact of that name.
    fn fact_named(&self, name: &str) -> Option<&str>;
}

impl Facts for Error {
    fn fact_named(&self, name: &str) -> Option<&str> {
        self.facts().iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}
