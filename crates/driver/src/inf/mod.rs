//! An INF file's text.

/// Processor architectures, as INF decorations name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Architecture {
    /// `x86`
    X86,
    /// `ia64`
    Ia64,
    /// `amd64`
    Amd64,
    /// `arm`
    Arm,
    /// `arm64`
    Arm64,
}

/// What follows the models section's name: `NT[arch][.[major][.[minor][.[product][.[suites][.[build]]]]]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decoration {
    /// Absent means x86 for today's Windows.
    pub architecture: Option<Architecture>,
    /// The least major version.
    pub os_major: Option<u16>,
    /// The least minor version.
    pub os_minor: Option<u16>,
    /// 1 workstation, 2 domain controller, 3 server.
    pub product_type: Option<u8>,
    /// All of these VER_SUITE flags must be present.
    pub suite_mask: Option<u32>,
    /// The least build within exactly that version.
    pub build: Option<u32>,
}
