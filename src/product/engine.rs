//! The container engines that a product brings to a host without one.

use std::fmt;

use serde::Deserialize;

use crate::path::RelPath;

/// An engine that is carried, and what a host must have for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineSpec {
    /// The artifact of kind `engine`.
    pub artifact: RelPath,
    /// The oldest kernel, as `MAJOR.MINOR`.
    #[serde(default)]
    pub kernel: Option<String>,
    /// The version of the kernel's control groups, where it knows one only.
    #[serde(default)]
    pub cgroup: Option<CgroupVersion>,
    /// The artifact of kind `unit` with which systemd runs it; without one it is the usual unit.
    #[serde(default)]
    pub unit: Option<RelPath>,
}

/// A version of the kernel's control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupVersion {
    /// A tree a controller, as systems before 2021 have them.
    V1,
    /// One tree.
    V2,
}

impl fmt::Display for CgroupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CgroupVersion::V1 => "v1",
            CgroupVersion::V2 => "v2",
        })
    }
}
