//! Images from a container engine of this machine, for the publisher: what `docker-daemon:REF` stands for.
//!
//! ```text
//! REF ─image inspect─▶ there? ─save─▶ the engine's archive ─analyse─▶ config, layers by diffID ─export─▶ pack's archive
//! ```
//!
//! The engine is asked through its own command, `docker`, or `podman` where there is no `docker`: that knows the user's
//! contexts, `DOCKER_HOST`, engines behind ssh, and those of users without rights. What such a command sends depends on its
//! version and on the engine's store; what `pack` makes of it depends on the image and its name only, so the same image saved
//! twice gives the same bytes, and the same as from a registry.
//!
//! | module | purpose |
//! | --- | --- |
//! | `command` | a command heard to its end, as long as it says something or the engine answers |
//! | `engine` | which engine, whether it answers, and what it says of an image |
//! | `save` | from a reference to an archive |

mod command;
mod engine;
mod save;

pub use save::save;
