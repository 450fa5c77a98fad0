//! Which product is meant, and what of it is installed.

use crate::error::{Error, Result};
use crate::site::lifecycle::{Instance, Place, State};

/// An installed product.
#[derive(Debug)]
pub struct Installed {
    /// Where it is kept.
    pub place: Place,
    /// What of it is installed.
    pub instance: Instance,
}

impl Installed {
    /// The product `name`, or the only one that this host has.
    ///
    /// # Errors
    /// There is none, there are several, or its files are lost.
    pub fn find(name: Option<&str>) -> Result<Self> {
        let place = place(name)?;
        let state = State::read(&place)?.ok_or_else(|| {
            Error::failed(format_args!("{} is not installed on this host", place.name()))
                .fact("path", place.state().display())
                .hint("install it from its bundle: sh NAME-VERSION-ARCH.run")
        })?;
        let instance = Instance::of(state, &place)?;
        Ok(Installed { place, instance })
    }

    /// As [`Installed::find`], of one whose stack somebody may want to run.
    ///
    /// # Errors
    /// As [`Installed::find`], or it was uninstalled and only its data is left.
    pub fn find_in_use(name: Option<&str>) -> Result<Self> {
        let installed = Self::find(name)?;
        if installed.instance.state.removed {
            return Err(Error::failed(format_args!(
                "{} was uninstalled; only its data is left",
                installed.place.name()
            ))
            .fact("install dir", &installed.instance.state.install_dir)
            .hint("install it again from its bundle: it finds its data"));
        }
        Ok(installed)
    }
}

/// Where the product `name`, or the only one of this host, is kept.
///
/// # Errors
/// No name was given, and there is none or there are several.
pub fn place(name: Option<&str>) -> Result<Place> {
    if let Some(name) = name {
        return Place::named(name);
    }
    match Place::all().as_slice() {
        [one] => Place::named(one),
        [] => Err(Error::failed("no product is installed on this host")
            .hint("install one from its bundle: sh NAME-VERSION-ARCH.run")),
        several => Err(Error::usage("this host has several products")
            .fact("there are", several.join(", "))
            .hint(format_args!("say which: --name {}", several[0]))),
    }
}
